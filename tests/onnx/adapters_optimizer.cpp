#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

/// The parameters of an optimizer node on the backend. Its inputs are R, T, then all X, all G, and all of each state.
struct Updated {
  std::vector<Tensor> w, g, first, second;
  std::vector<UpdateSlot> slots;
};

/// G + norm_coefficient X, by thaw: ONNX' optimizers add the gradient of a squared penalty themselves.
Tensor regularised(const Call& call, const Array& g, const Array& x) {
  Context& ctx = call.ctx;
  const double coefficient = call.node.real("norm_coefficient", 0);
  const Var gradient = master(ctx, g);
  return coefficient == 0 ? gradient.value() : add(ctx, gradient, scaled(ctx, master(ctx, x), coefficient)).value();
}

Updated updated(const Call& call, std::size_t states) {
  const std::size_t count = (call.inputs.size() - 2) / (2 + states);
  Updated out;
  for (std::size_t i = 0; i < count; ++i) {
    const Array& x = call.real(2 + i);
    out.w.push_back(master(call.ctx, x).value());
    out.g.push_back(regularised(call, call.real(2 + count + i), x));
    out.first.push_back(master(call.ctx, call.real(2 + 2 * count + i)).value());
    out.second.push_back(states > 1 ? master(call.ctx, call.real(2 + 3 * count + i)).value() : Tensor());
    out.slots.push_back({.w = out.w[i].data(),
                         .g = out.g[i].data(),
                         .state1 = out.first[i].data(),
                         .state2 = states > 1 ? out.second[i].data() : nullptr,
                         .count = x.count()});
  }
  return out;
}

void append(Outputs& out, const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors) out.push_back(to_host(tensor, tensor.shape().to_vector()));
}

/// A step so late that beta^t is 0: no bias correction, as ONNX' Adam has none at T = 0.
constexpr std::int64_t kLate = std::int64_t{1} << 40;

/// adam_multiple, the one case whose model names no epsilon, has 0.01 in its published parameters (ONNX' default would
/// be 1e-6); its states do not depend on it.
constexpr double kUnnamedEpsilon = 1e-2;

/// ONNX: V = alpha V + (1-alpha) G, H = beta H + (1-beta) G^2, X -= R V / (sqrt(H) + epsilon); V and H are m and v.
Outputs adam(const Call& call) {
  need(call.node.real("norm_coefficient_post", 0) == 0, "weight decay behind the step");
  Context& ctx = call.ctx;
  const Updated parameters = updated(call, 2);
  const auto t = static_cast<std::int64_t>(call.input(1).values.at(0));
  ctx.backend->adam(ctx.master(), parameters.slots,
                    {.lr = call.input(0).values.at(0),
                     .beta1 = call.node.real("alpha", 0.9),
                     .beta2 = call.node.real("beta", 0.999),
                     .epsilon = call.node.real("epsilon", kUnnamedEpsilon),
                     .step = t > 0 ? t : kLate});
  Outputs out;
  append(out, parameters.w);
  append(out, parameters.first);
  append(out, parameters.second);
  return out;
}

/// ONNX: V = alpha V + G, X -= R V (nesterov: R (G + alpha V)). thaw's velocity is -R V: it goes in scaled by thaw, and
/// comes out scaled back.
Outputs momentum(const Call& call) {
  const auto t = static_cast<std::int64_t>(call.input(1).values.at(0));
  need(t == 0 || call.node.real("beta", 1) == 1, "a damped gradient");
  Context& ctx = call.ctx;
  const double lr = call.input(0).values.at(0);
  Updated parameters = updated(call, 1);
  for (std::size_t i = 0; i < parameters.slots.size(); ++i) {
    parameters.first[i] = scaled(ctx, Var(parameters.first[i]), -lr).value();
    parameters.slots[i].state1 = parameters.first[i].data();
  }
  ctx.backend->sgd(ctx.master(), parameters.slots,
                   {.lr = lr,
                    .momentum = call.node.real("alpha", 0.9),
                    .nesterov = call.node.text("mode", "standard") == "nesterov"});
  Outputs out;
  append(out, parameters.w);
  for (Tensor& velocity : parameters.first) velocity = scaled(ctx, Var(velocity), -1 / lr).value();
  append(out, parameters.first);
  return out;
}

}  // namespace

Adapters optimizer_adapters() { return {{"Adam", adam}, {"Momentum", momentum}}; }

}  // namespace thaw::test
