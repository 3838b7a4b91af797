#include <cmath>

#include "kernels/error.h"
#include "microscope/families.h"
#include "microscope/operands.h"
#include "microscope/text_reader.h"

namespace thaw::microscope {

namespace {

constexpr std::string_view kExample = "norm_rows100352c64+training+relu";

NormProblem parse(std::string_view text, bool* typed = nullptr) {
  TextReader in(text, "norm", kExample);
  NormProblem p;
  in.take("norm_");
  in.want("rows");
  p.rows = in.number();
  p.c = in.field("c");
  p.training = in.take("+training");
  p.residual = in.take("+residual");
  if (in.take("+") && !in.take_act(p.act)) in.reject();
  const bool given = in.take_suffix(p.dtype);
  if (typed != nullptr) *typed = given;
  in.finish();
  return p;
}

/// Inputs of the activation at which its derivative jumps: beside them, f32 and f64 may take different sides.
std::vector<double> kinks_of(Act act) {
  switch (act) {
    case Act::linear: return {};
    case Act::relu: return {0};
    case Act::relu6: return {0, 6};
    case Act::hard_swish:
    case Act::hard_sigmoid: return {-3, 3};
  }
  return {};
}

/// Takes the gradient away from elements whose pre-activation lies beside a kink.
void spare_kinks(const NormProblem& p, std::vector<HostArray>& arrays, std::size_t dy) {
  const std::vector<double> kinks = kinks_of(p.act);
  if (kinks.empty() || p.residual) return;  // with a residual the derivative is read off y
  const HostArray &x = arrays[0], &gamma = arrays[1], &beta = arrays[2], &mean = arrays[3], &variance = arrays[4];
  std::vector<double> slope(static_cast<std::size_t>(p.c));
  for (std::int64_t c = 0; c < p.c; ++c) {
    slope[static_cast<std::size_t>(c)] = gamma.at(c) / std::sqrt(variance.at(c) + p.epsilon);
  }
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < p.rows; ++row) {
    for (std::int64_t c = 0; c < p.c; ++c) {
      const std::int64_t i = row * p.c + c;
      const double z = slope[static_cast<std::size_t>(c)] * (x.at(i) - mean.at(c)) + beta.at(c);
      for (const double kink : kinks) {
        if (std::abs(z - kink) < 1e-3) arrays[dy].set(i, 0);
      }
    }
  }
}

void make_forward(const NormProblem& p, Case& out) {
  using Use = Operand::Use;
  const Dtype master = master_dtype(p.dtype);
  const auto channel = [&](const char* name, Use use) { return rows(name, use, master, p.c, 1); };
  out.operands = {between(-2, 3, columns("x", Use::input, p.dtype, p.rows, p.c)),
                  between(0.5, 1.5, channel("gamma", Use::input)), channel("beta", Use::input)};
  if (p.training) {
    out.operands.push_back(channel("mean", Use::output));
    out.operands.push_back(channel("variance", Use::output));
    out.operands.push_back(channel("running mean", Use::inout));
    out.operands.push_back(between(0.5, 2, channel("running variance", Use::inout)));
  } else {
    out.operands.push_back(channel("mean", Use::input));
    out.operands.push_back(between(0.5, 2, channel("variance", Use::input)));
  }
  if (p.residual) out.operands.push_back(columns("residual", Use::input, p.dtype, p.rows, p.c));
  out.operands.push_back(columns("y", Use::output, p.dtype, p.rows, p.c));
  out.bind = [p](const Arguments& to) -> std::function<void()> {
    NormProblem problem = p;
    problem.c = static_cast<int>(to.extent);
    problem.dtype = to.dtype;
    std::size_t next = 5;
    NormForward args{.x = to.at[0], .gamma = to.at[1], .beta = to.at[2], .mean = to.at[3], .variance = to.at[4]};
    if (p.training) {
      args.running_mean = to.at[next++];
      args.running_variance = to.at[next++];
    }
    if (p.residual) args.residual = to.at[next++];
    args.y = to.at[next];
    return [problem, args, &backend = to.backend] { backend.norm_forward(problem, args); };
  };
}

void make_backward(const NormProblem& p, Case& out) {
  using Use = Operand::Use;
  const Dtype master = master_dtype(p.dtype);
  const auto channel = [&](const char* name, Use use) { return rows(name, use, master, p.c, 1); };
  const auto activations = [&](const char* name, Use use) { return columns(name, use, p.dtype, p.rows, p.c); };
  const bool from_y = p.gradient_from_y();
  // Statistics about those that x has, as a forward call would have left them.
  out.operands = {between(-2, 3, activations("x", Use::input)),
                  between(0.5, 1.5, channel("gamma", Use::input)),
                  channel("beta", Use::input),
                  between(0.4, 0.6, channel("mean", Use::input)),
                  between(1.9, 2.2, channel("variance", Use::input)),
                  activations("dy", Use::input)};
  if (from_y) out.operands.push_back(activations("y", Use::input));
  out.operands.push_back(activations("dx", Use::output));
  out.operands.push_back(channel("dgamma", Use::output));
  out.operands.push_back(channel("dbeta", Use::output));
  if (p.residual) out.operands.push_back(activations("dresidual", Use::output));
  out.mend = [p](std::vector<HostArray>& arrays) { spare_kinks(p, arrays, 5); };
  out.bind = [p, from_y](const Arguments& to) -> std::function<void()> {
    NormProblem problem = p;
    problem.c = static_cast<int>(to.extent);
    problem.dtype = to.dtype;
    std::size_t next = 6;
    NormBackward args{
        .x = to.at[0], .dy = to.at[5], .gamma = to.at[1], .beta = to.at[2], .mean = to.at[3], .variance = to.at[4]};
    if (from_y) args.y = to.at[next++];
    args.dx = to.at[next++];
    args.dgamma = to.at[next++];
    args.dbeta = to.at[next++];
    if (p.residual) args.dresidual = to.at[next];
    return [problem, args, &backend = to.backend] { backend.norm_backward(problem, args); };
  };
}

Case make(const std::string& text, const std::string& direction) {
  const NormProblem p = parse(text);
  Case out{.family = "norm",
           .problem = text,
           .direction = direction,
           .dtype = p.dtype,
           .axis = "channels",
           .extent = p.c,
           .work = 20.0 * static_cast<double>(p.size()),
           .depth = static_cast<double>(p.rows)};
  const double again = static_cast<double>(p.size()) * static_cast<double>(size_of(p.dtype));
  if (direction == "fwd") {
    make_forward(p, out);
    out.bytes = bytes_once(out.operands) + (p.training ? again : 0);  // no y before every x is read
  } else {
    make_backward(p, out);
    out.bytes = bytes_once(out.operands) + (p.training ? 2 * again : 0);  // no dx before every x and dy is read
  }
  return out;
}

std::string canonical(std::string_view text, const Wishes& wishes) {
  bool typed = false;
  NormProblem p = parse(text, &typed);
  p.dtype = wishes.dtype.value_or(typed ? p.dtype : wishes.standard);
  if (wishes.batch) fail(ErrorKind::usage, "--batch does not go with {}: rows are images times pixels", p.text());
  return p.text();
}

std::vector<std::string> directions_of(const std::string& text) {
  const NormProblem p = parse(text);
  if (!p.has_gradient()) return {"fwd"};
  return {"fwd", "bwd"};
}

}  // namespace

Family norm_family() {
  return {.name = "norm",
          .summary = "batch norms with activation and residual: training and inference, forward and backward",
          .example = std::string(kExample),
          .directions = {"fwd", "bwd"},
          .canonical = canonical,
          .directions_of = directions_of,
          .make = make};
}

}  // namespace thaw::microscope
