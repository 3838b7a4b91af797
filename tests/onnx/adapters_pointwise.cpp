#include <algorithm>

#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

/// The shape that NumPy's broadcasting gives two arrays.
Dims common_shape(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (const Dims& dims : {a, b}) {
    for (std::size_t i = 0; i < dims.size(); ++i) {
      auto& dim = out[out.size() - dims.size() + i];
      dim = std::max(dim, dims[i]);
    }
  }
  return out;
}

/// Before opset 7, `axis` said where the second operand's axes begin.
Array aligned(const Call& call, const Array& b, std::size_t rank) {
  if (!call.node.has("axis")) return b;
  Dims shape = b.shape;
  const std::size_t first = axis_in(call.node.integer("axis", 0), rank);
  while (first + shape.size() < rank) shape.push_back(1);
  return reshaped(b, shape);
}

/// The sum of the inputs, copied to one shape.
Outputs sum(const Call& call) {
  need(call.inputs.size() > 1, "one operand: the identity");
  Dims shape = call.real(0).shape;
  std::vector<Array> terms{call.real(0)};
  for (std::size_t i = 1; i < call.inputs.size(); ++i) {
    terms.push_back(aligned(call, call.real(i), call.input(0).rank()));
    shape = common_shape(shape, terms.back().shape);
  }
  Context& ctx = call.ctx;
  Var y = activations(ctx, broadcast(terms[0], shape));
  for (std::size_t i = 1; i < terms.size(); ++i) y = add(ctx, y, activations(ctx, broadcast(terms[i], shape)));
  return {to_host(y.value(), shape)};
}

/// A vector of the last axis gates the channels of one image; operands of one shape are images of one pixel.
Outputs product(const Call& call) {
  const Array& x = call.real(0);
  const Array gate = aligned(call, call.real(1), x.rank());
  const std::int64_t c = x.rank() == 0 ? 1 : x.shape.back();
  const std::int64_t rows = c == 0 ? 0 : x.count() / c;
  const bool by_channel = gate.rank() == 1 && gate.shape[0] == c;
  const Array gates = by_channel ? gate : broadcast(gate, x.shape);
  const Dims picture = by_channel ? Dims{1, rows, 1, c} : Dims{rows, 1, 1, c};
  Context& ctx = call.ctx;
  const Var y = scale_channels(ctx, activations(ctx, reshaped(x, picture)),
                               activations(ctx, reshaped(gates, {by_channel ? 1 : rows, c})));
  return {to_host(y.value(), x.shape)};
}

}  // namespace

Adapters pointwise_adapters() { return {{"Add", sum}, {"Sum", sum}, {"Mul", product}}; }

}  // namespace thaw::test
