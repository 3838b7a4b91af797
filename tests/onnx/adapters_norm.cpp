#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

/// Y = BatchNormalization(X (N,C,...), scale, bias, mean, variance), with the running statistics as further outputs in
/// training mode. ONNX moves them as Keras 3 does: running = momentum running + (1-momentum) batch, biased variance.
Outputs batch_normalization(const Call& call) {
  const Array& x = call.real(0);
  need(x.rank() >= 2, "no channel axis");
  need(call.node.integer("spatial", 1) != 0, "statistics of every pixel");
  Context& ctx = call.ctx;
  const Rows rows = rows_along(x, 1);
  const bool training = call.node.integer("training_mode", 0) != 0;
  need(training || call.node.outputs.size() == 1, "training without running statistics in the outputs");
  const Tensor mean = master(ctx, call.input(3)).value();
  const Tensor variance = master(ctx, call.input(4)).value();
  const Var y = batch_norm(ctx, activations(ctx, rows.rows), master(ctx, call.input(1)), master(ctx, call.input(2)),
                           mean, variance, Var(),
                           {.batch_statistics = training,
                            .epsilon = call.node.real("epsilon", 1e-5),
                            .momentum = call.node.real("momentum", 0.9)});
  Outputs out{unrowed(rows, y.value().to_doubles())};
  if (training) {
    out.push_back(to_host(mean, call.input(3).shape));
    out.push_back(to_host(variance, call.input(4).shape));
  }
  return out;
}

Outputs activate(const Call& call, Act act) {
  const Array& x = call.real(0);
  const Var y = activation(call.ctx, activations(call.ctx, reshaped(x, {x.count()})), act);
  return {to_host(y.value(), x.shape)};
}

Outputs relu(const Call& call) { return activate(call, Act::relu); }
Outputs hard_swish(const Call& call) { return activate(call, Act::hard_swish); }

/// max(0, min(1, alpha x + beta)). thaw's hard sigmoid is the one with 1/6 and 1/2; another slope is a norm in front of
/// it that multiplies by 6 alpha and adds 6 (beta - 1/2), in one call.
Outputs hard_sigmoid(const Call& call) {
  const Array& x = call.real(0);
  Context& ctx = call.ctx;
  const auto constant = [&ctx](double value) {
    return master(ctx, {.element = Element::f32, .shape = {1}, .values = {value}});
  };
  const Var y =
      batch_norm(ctx, activations(ctx, reshaped(x, {x.count(), 1})), constant(6 * call.node.real("alpha", 0.2)),
                 constant(6 * (call.node.real("beta", 0.5) - 0.5)), constant(0).value(), constant(1).value(), Var(),
                 {.epsilon = 0, .act = Act::hard_sigmoid});
  return {to_host(y.value(), x.shape)};
}

/// A bound of Clip: an attribute before opset 11, an input since.
std::optional<double> bound(const Call& call, std::size_t input, const char* attribute) {
  if (call.has(input)) return call.input(input).values.at(0);
  if (call.node.has(attribute)) return call.node.real(attribute, 0);
  return std::nullopt;
}

Outputs clip(const Call& call) {
  static_cast<void>(call.real(0));
  const std::optional<double> low = bound(call, 1, "min");
  const std::optional<double> high = bound(call, 2, "max");
  need(low || high, "no bounds: the identity");
  const auto text = [](const std::optional<double>& b) { return b ? fmt::format("{}", *b) : std::string("none"); };
  const bool from_zero = low && *low == 0;
  need(from_zero && (!high || *high == 6), "bounds {} and {}: thaw clips to 0..6 (relu6) or from 0 (relu)", text(low),
       text(high));
  return activate(call, high ? Act::relu6 : Act::relu);
}

}  // namespace

Adapters norm_adapters() {
  return {{"BatchNormalization", batch_normalization},
          {"Relu", relu},
          {"HardSwish", hard_swish},
          {"HardSigmoid", hard_sigmoid},
          {"Clip", clip}};
}

}  // namespace thaw::test
