#include <algorithm>

#include "kernels/error.h"
#include "kernels/pointwise.h"
#include "microscope/families.h"
#include "microscope/operands.h"
#include "microscope/text_reader.h"

namespace thaw::microscope {

namespace {

constexpr std::string_view kExample = "maxpool_n32c64h112w112_r3s3u2p1";

PoolProblem parse(std::string_view text, bool* typed = nullptr) {
  TextReader in(text, "pool", kExample);
  PoolProblem p;
  p.kind = in.take("avgpool_") ? PoolKind::average : PoolKind::max;
  if (p.kind == PoolKind::max) in.want("maxpool_");
  p.n = in.field("n");
  p.c = in.field("c");
  p.h = in.field("h");
  p.w = in.field("w");
  p.r = in.field("_r");
  p.s = in.field("s");
  p.stride = in.field_or("u", 1);
  in.take_pad(p.pad);
  p.count_padding = in.take("+count_padding");
  const bool given = in.take_suffix(p.dtype);
  if (typed != nullptr) *typed = given;
  in.finish();
  p.check();
  // A window beyond the edge alone would have no pixel to take.
  if (std::max({p.pad.top, p.pad.bottom}) >= p.r || std::max({p.pad.left, p.pad.right}) >= p.s) {
    fail(ErrorKind::usage, "[pool] {}: padding must be smaller than the window", p.text());
  }
  return p;
}

/// For every output some pixel of its window that lies inside the picture.
void point_into_windows(const PoolProblem& p, HostArray& indices) {
  std::int64_t at = 0;
  for (int n = 0; n < p.n; ++n) {
    for (int y = 0; y < p.p(); ++y) {
      for (int x = 0; x < p.q(); ++x) {
        const int top = std::max(y * p.stride - p.pad.top, 0);
        const int bottom = std::min(y * p.stride - p.pad.top + p.r, p.h);
        const int left = std::max(x * p.stride - p.pad.left, 0);
        const int right = std::min(x * p.stride - p.pad.left + p.s, p.w);
        for (int c = 0; c < p.c; ++c, ++at) {
          const std::uint64_t bits = pointwise::random_bits(1, static_cast<std::uint64_t>(at));
          const int row = top + static_cast<int>(bits % static_cast<std::uint64_t>(bottom - top));
          const int column = left + static_cast<int>((bits >> 32) % static_cast<std::uint64_t>(right - left));
          indices.set(at, static_cast<double>(row) * p.w + column);
        }
      }
    }
  }
}

Case make(const std::string& text, const std::string& direction) {
  using Use = Operand::Use;
  const PoolProblem p = parse(text);
  const bool forward = direction == "fwd";
  const bool max = p.kind == PoolKind::max;
  Case out{.family = "pool",
           .problem = text,
           .direction = direction,
           .dtype = p.dtype,
           .axis = "images",
           .extent = p.n,
           .work = 4.0 * static_cast<double>(p.output_size()) * p.r * p.s,
           .depth = static_cast<double>(p.r) * p.s,
           .exactness = Exactness::never};
  const Operand small =
      rows(forward ? "y" : "dy", forward ? Use::output : Use::input, p.dtype, p.n, p.output_size() / p.n);
  const Operand large =
      rows(forward ? "x" : "dx", forward ? Use::input : Use::output, p.dtype, p.n, p.input_size() / p.n);
  out.operands = {small, large};
  if (max) {
    out.operands.push_back(rows("indices", small.use, Dtype::i32, p.n, p.output_size() / p.n));
    out.exactness = forward ? Exactness::always : Exactness::integers;
    if (!forward) out.mend = [p](std::vector<HostArray>& arrays) { point_into_windows(p, arrays[2]); };
  }
  out.bytes = bytes_once(out.operands);
  out.bind = [p, forward, max](const Arguments& to) -> std::function<void()> {
    PoolProblem problem = p;
    problem.n = static_cast<int>(to.extent);
    problem.dtype = to.dtype;
    auto* indices = max ? static_cast<std::int32_t*>(to.at[2]) : nullptr;
    return [problem, forward, indices, &backend = to.backend, small_at = to.at[0], large_at = to.at[1]] {
      if (forward) {
        backend.pool_forward(problem, large_at, small_at, indices);
      } else {
        backend.pool_backward(problem, small_at, indices, large_at);
      }
    };
  };
  return out;
}

std::string canonical(std::string_view text, const Wishes& wishes) {
  bool typed = false;
  PoolProblem p = parse(text, &typed);
  p.dtype = wishes.dtype.value_or(typed ? p.dtype : wishes.standard);
  p.n = wishes.batch.value_or(p.n);
  return p.text();
}

std::vector<std::string> directions_of(const std::string&) { return {"fwd", "bwd"}; }

}  // namespace

Family pool_family() {
  return {.name = "pool",
          .summary = "maximum and average pooling, forward and backward",
          .example = std::string(kExample),
          .directions = {"fwd", "bwd"},
          .canonical = canonical,
          .directions_of = directions_of,
          .make = make};
}

}  // namespace thaw::microscope
