#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "microscope/benchdnn.h"
#include "microscope/families.h"
#include "microscope/operands.h"
#include "microscope/text_reader.h"

namespace thaw::microscope {

namespace {

constexpr std::string_view kDepthwiseExample = "n32c72h56w56_r5u2";

/// Whether a backend may compute it after Winograd, whose error is far below its type's rounding but not zero on whole
/// numbers.
bool may_be_winograd(const ConvProblem& p) { return p.r == 3 && p.s == 3 && p.stride == 1 && p.groups == 1; }

Exactness exactness_of(const ConvProblem& p, bool forward) {
  const bool linear = p.act == Act::linear || p.act == Act::relu || p.act == Act::relu6;
  if (forward && !linear) return Exactness::never;
  // A fused call in bf16 may round before the residual is added as well as behind it.
  const bool twice = forward && p.residual && p.dtype == Dtype::bf16;
  return may_be_winograd(p) || twice ? Exactness::rounded : Exactness::integers;
}

/// Real filters are drawn so that outputs are about 1, whatever the number of terms.
Range filter_range(const ConvProblem& p) {
  const double limit = 1.7 / std::sqrt(static_cast<double>(p.r) * p.s * p.c / p.groups);
  return {-limit, limit};
}

Operand filter_operand(const ConvProblem& p, Operand::Use use) {
  Operand w = whole("w", use, master_dtype(p.dtype), p.filter_size());
  w.precision = p.dtype;
  w.range = filter_range(p);
  return w;
}

ConvProblem with(ConvProblem p, const Arguments& to) {
  p.n = static_cast<int>(to.extent);
  p.dtype = to.dtype;
  return p;
}

/// Forward, with the filter packed beforehand or within the call; cut along the images.
void make_forward(const ConvProblem& p, bool packed, Case& out) {
  const std::int64_t image = p.input_size() / p.n;
  const std::int64_t result = p.output_size() / p.n;
  out.operands = {rows("x", Operand::Use::input, p.dtype, p.n, image), filter_operand(p, Operand::Use::input)};
  if (p.bias) out.operands.push_back(whole("bias", Operand::Use::input, master_dtype(p.dtype), p.k));
  if (p.residual) out.operands.push_back(rows("residual", Operand::Use::input, p.dtype, p.n, result));
  out.operands.push_back(rows("y", Operand::Use::output, p.dtype, p.n, result));
  out.depth = static_cast<double>(p.r) * p.s * p.c / p.groups;
  out.exactness = exactness_of(p, true);
  out.bind = [p, packed](const Arguments& to) -> std::function<void()> {
    const ConvProblem problem = with(p, to);
    std::size_t next = 2;
    ConvForward args{.x = to.at[0], .w = to.at[1]};
    if (p.bias) args.bias = to.at[next++];
    if (p.residual) args.residual = to.at[next++];
    args.y = to.at[next];
    Backend& backend = to.backend;
    if (!packed) return [&backend, problem, args] { backend.conv_forward(problem, args); };
    const auto filter = backend.pack_conv(problem, args.w, args.bias);
    args.w = args.bias = nullptr;
    return [&backend, problem, args, filter] { backend.conv_forward_packed(problem, *filter, args); };
  };
}

void make_input_gradient(const ConvProblem& p, Case& out) {
  out.operands = {filter_operand(p, Operand::Use::input),
                  rows("dy", Operand::Use::input, p.dtype, p.n, p.output_size() / p.n),
                  rows("dx", Operand::Use::output, p.dtype, p.n, p.input_size() / p.n)};
  out.depth = static_cast<double>(p.r) * p.s * p.k / p.groups;
  out.exactness = exactness_of(p, false);
  out.bind = [p](const Arguments& to) -> std::function<void()> {
    return [p = with(p, to), &backend = to.backend, at = to.at] { backend.conv_backward_data(p, at[0], at[1], at[2]); };
  };
}

/// Cut along the filters or, where channels are in groups, along the groups: each needs every image.
void make_filter_gradient(const ConvProblem& p, Case& out) {
  const std::int64_t pixels_in = std::int64_t{p.n} * p.h * p.w;
  const std::int64_t pixels_out = std::int64_t{p.n} * p.p() * p.q();
  const bool grouped = p.groups > 1;
  const std::int64_t extent = grouped ? p.groups : p.k;
  out.axis = grouped ? "groups" : "filters";
  out.extent = extent;
  Operand x = columns("x", Operand::Use::input, p.dtype, pixels_in, extent, p.c / extent);
  if (!grouped) x = whole("x", Operand::Use::input, p.dtype, p.input_size());
  const Dtype master = master_dtype(p.dtype);
  Operand dw = rows("dw", Operand::Use::output, master, extent, p.filter_size() / extent);
  if (p.depthwise()) dw = columns("dw", Operand::Use::output, master, std::int64_t{p.r} * p.s, extent, 1);
  out.operands = {x, columns("dy", Operand::Use::input, p.dtype, pixels_out, extent, p.k / extent), dw};
  if (p.bias) out.operands.push_back(rows("dbias", Operand::Use::output, master, extent, p.k / extent));
  out.depth = static_cast<double>(pixels_out);
  out.exactness = exactness_of(p, false);
  out.bind = [p, grouped, extent](const Arguments& to) -> std::function<void()> {
    ConvProblem problem = p;
    problem.dtype = to.dtype;
    problem.k = static_cast<int>(p.k / extent * to.extent);
    if (grouped) {
      problem.groups = static_cast<int>(to.extent);
      problem.c = static_cast<int>(p.c / extent * to.extent);
    }
    return [problem, &backend = to.backend, at = to.at] {
      backend.conv_backward_filter(problem, at[0], at[1], at[2], problem.bias ? at[3] : nullptr);
    };
  };
}

Case make(const std::string& text, const std::string& direction) {
  const ConvProblem p = ConvProblem::parse(text);
  Case out{.family = p.depthwise() ? "depthwise" : "conv",
           .problem = text,
           .direction = direction,
           .dtype = p.dtype,
           .flops = p.flops(),
           .axis = "images",
           .extent = p.n,
           .work = p.flops()};
  if (direction == "dgrad") {
    make_input_gradient(p, out);
  } else if (direction == "wgrad") {
    make_filter_gradient(p, out);
  } else {
    make_forward(p, direction == "packed", out);
  }
  out.bytes = bytes_once(out.operands);
  return out;
}

std::string apply(ConvProblem p, bool typed, const Wishes& wishes) {
  p.dtype = wishes.dtype.value_or(typed ? p.dtype : wishes.standard);
  p.n = wishes.batch.value_or(p.n);
  p.check();
  return p.text();
}

std::string canonical(std::string_view text, const Wishes& wishes) {
  if (looks_like_benchdnn(text)) return apply(parse_benchdnn(text).problem, false, wishes);
  return apply(ConvProblem::parse(text), text.find(':') != std::string_view::npos, wishes);
}

/// Also the shorthand `n32c72h56w56_r5u2`: one size of filter, TensorFlow's "same" padding where none is given.
std::string canonical_depthwise(std::string_view text, const Wishes& wishes) {
  if (looks_like_benchdnn(text) || text.find("_k") != std::string_view::npos) {
    const std::string out = canonical(text, wishes);
    if (!ConvProblem::parse(out).depthwise()) {
      fail(ErrorKind::usage, "{} has not one filter a channel; `thaw bench conv` takes it", out);
    }
    return out;
  }
  TextReader in(text, "depthwise", kDepthwiseExample);
  ConvProblem p{.n = in.field("n"), .c = in.field("c"), .h = in.field("h"), .w = in.field("w")};
  p.k = p.groups = p.c;
  p.r = p.s = in.field("_r");
  p.stride = in.field_or("u", 1);
  if (!in.take_pad(p.pad)) p.pad = pad_same(p.h, p.w, p.r, p.s, p.stride);
  const bool typed = in.take_suffix(p.dtype);
  in.finish();
  return apply(p, typed, wishes);
}

std::vector<std::string> directions_of(const std::string&) { return {"fwd", "dgrad", "wgrad", "packed"}; }

}  // namespace

Family conv_family() {
  return {.name = "conv",
          .summary = "convolutions: forward, with a packed filter, input gradient, filter gradient",
          .example = "n32c64h56w56_k128r3s3p1",
          .directions = directions_of(""),
          .canonical = canonical,
          .directions_of = directions_of,
          .make = make};
}

Family depthwise_family() {
  return {.name = "depthwise",
          .summary = "depthwise convolutions",
          .example = std::string(kDepthwiseExample),
          .directions = directions_of(""),
          .canonical = canonical_depthwise,
          .directions_of = directions_of,
          .make = make};
}

}  // namespace thaw::microscope
