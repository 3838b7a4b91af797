#include <algorithm>

#include "kernels/error.h"
#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

Outputs transpose(const Call& call) {
  const Array& x = call.input(0);
  const Dims order = call.node.integers("perm", {});
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : order) axes.push_back(axis_in(axis, x.rank()));
  for (std::size_t axis = x.rank(); order.empty() && axis-- > 0;) axes.push_back(axis);
  return {permuted(x, axes)};
}

/// Axes are an attribute before opset 13, an input since.
Dims axes_of(const Call& call) {
  Dims axes = call.node.integers("axes", {});
  if (call.has(1)) axes.assign(call.input(1).values.begin(), call.input(1).values.end());
  return axes;
}

Outputs squeeze(const Call& call) {
  const Array& x = call.input(0);
  Dims shape = x.shape;
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : axes_of(call)) axes.push_back(axis_in(axis, x.rank()));
  std::sort(axes.rbegin(), axes.rend());
  for (const std::size_t axis : axes) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return {reshaped(x, shape)};
}

Outputs unsqueeze(const Call& call) {
  const Array& x = call.input(0);
  const Dims wanted = axes_of(call);
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : wanted) axes.push_back(axis_in(axis, x.rank() + wanted.size()));
  std::sort(axes.begin(), axes.end());
  Dims shape = x.shape;
  for (const std::size_t axis : axes) shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  return {reshaped(x, shape)};
}

Outputs constant(const Call& call) {
  const auto value = call.node.attributes.find("value");
  if (value == call.node.attributes.end() || !value->second.tensor) {
    fail(ErrorKind::data, "[onnx] a Constant without a tensor");
  }
  return {*value->second.tensor};
}

}  // namespace

Adapters move_adapters() {
  return {{"Transpose", transpose}, {"Squeeze", squeeze}, {"Unsqueeze", unsqueeze}, {"Constant", constant}};
}

}  // namespace thaw::test
