#include <cmath>

#include "kernels/error.h"
#include "microscope/families.h"
#include "microscope/operands.h"
#include "microscope/text_reader.h"

namespace thaw::microscope {

namespace {

constexpr std::string_view kExample = "dense_n32c1280k1000+bias";

DenseProblem parse(std::string_view text, bool* typed = nullptr) {
  TextReader in(text, "dense", kExample);
  DenseProblem p;
  in.take("dense_");
  p.n = in.field("n");
  p.c = in.field("c");
  p.k = in.field("k");
  p.bias = in.take("+bias");
  if (in.take("+") && !in.take_act(p.act)) in.reject();
  const bool given = in.take_suffix(p.dtype);
  if (typed != nullptr) *typed = given;
  in.finish();
  return p;
}

Operand weights(const DenseProblem& p, Operand::Use use) {
  const double limit = 1.7 / std::sqrt(static_cast<double>(p.c));
  Operand w = whole("w", use, master_dtype(p.dtype), std::int64_t{p.k} * p.c);
  w.precision = p.dtype;
  return between(-limit, limit, w);
}

void make_rows(const DenseProblem& p, bool forward, Case& out) {
  using Use = Operand::Use;
  out.axis = "rows";
  out.extent = p.n;
  out.depth = forward ? p.c : p.k;
  if (forward) {
    out.operands = {weights(p, Use::input), rows("x", Use::input, p.dtype, p.n, p.c),
                    rows("y", Use::output, p.dtype, p.n, p.k)};
    if (p.bias) out.operands.push_back(whole("bias", Use::input, master_dtype(p.dtype), p.k));
  } else {
    out.operands = {weights(p, Use::input), rows("dy", Use::input, p.dtype, p.n, p.k),
                    rows("dx", Use::output, p.dtype, p.n, p.c)};
  }
  out.bind = [p, forward](const Arguments& to) -> std::function<void()> {
    DenseProblem problem = p;
    problem.n = static_cast<int>(to.extent);
    problem.dtype = to.dtype;
    return [problem, forward, at = to.at, &backend = to.backend] {
      if (forward) {
        backend.dense_forward(problem, at[1], at[0], problem.bias ? at[3] : nullptr, at[2]);
      } else {
        backend.dense_backward_data(problem, at[0], at[1], at[2]);
      }
    };
  };
}

void make_weight_gradient(const DenseProblem& p, Case& out) {
  using Use = Operand::Use;
  const Dtype master = master_dtype(p.dtype);
  out.axis = "outputs";
  out.extent = p.k;
  out.depth = p.n;
  out.operands = {whole("x", Use::input, p.dtype, std::int64_t{p.n} * p.c),
                  columns("dy", Use::input, p.dtype, p.n, p.k), rows("dw", Use::output, master, p.k, p.c)};
  if (p.bias) out.operands.push_back(rows("dbias", Use::output, master, p.k, 1));
  out.bind = [p](const Arguments& to) -> std::function<void()> {
    DenseProblem problem = p;
    problem.k = static_cast<int>(to.extent);
    problem.dtype = to.dtype;
    return [problem, at = to.at, &backend = to.backend] {
      backend.dense_backward_weights(problem, at[0], at[1], at[2], problem.bias ? at[3] : nullptr);
    };
  };
}

Case make(const std::string& text, const std::string& direction) {
  const DenseProblem p = parse(text);
  const bool forward = direction == "fwd";
  const bool linear = !forward || p.act == Act::linear || p.act == Act::relu || p.act == Act::relu6;
  Case out{.family = "dense",
           .problem = text,
           .direction = direction,
           .dtype = p.dtype,
           .flops = p.flops(),
           .work = p.flops(),
           .exactness = linear ? Exactness::integers : Exactness::never};
  if (direction == "wgrad") {
    make_weight_gradient(p, out);
  } else {
    make_rows(p, forward, out);
  }
  out.bytes = bytes_once(out.operands);
  return out;
}

std::string canonical(std::string_view text, const Wishes& wishes) {
  bool typed = false;
  DenseProblem p = parse(text, &typed);
  p.dtype = wishes.dtype.value_or(typed ? p.dtype : wishes.standard);
  p.n = wishes.batch.value_or(p.n);
  return p.text();
}

std::vector<std::string> directions_of(const std::string&) { return {"fwd", "dgrad", "wgrad"}; }

}  // namespace

Family dense_family() {
  return {.name = "dense",
          .summary = "dense layers: forward, input gradient, weight gradient",
          .example = std::string(kExample),
          .directions = directions_of(""),
          .canonical = canonical,
          .directions_of = directions_of,
          .make = make};
}

}  // namespace thaw::microscope
