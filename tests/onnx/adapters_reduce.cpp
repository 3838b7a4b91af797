#include <algorithm>
#include <numeric>

#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

/// The reduced axes in front, the kept ones behind: (rows, kept).
struct Reduction {
  Array rows;
  Dims shape;  ///< of the result
};

Reduction reduction_of(const Call& call) {
  const Array& x = call.real(0);
  Dims axes = call.node.integers("axes", {});
  if (call.has(1)) axes.assign(call.input(1).values.begin(), call.input(1).values.end());
  need(!axes.empty() || call.node.integer("noop_with_empty_axes", 0) == 0, "no axes: the identity");

  std::vector<bool> reduced(x.rank(), axes.empty());
  for (const std::int64_t axis : axes) reduced[axis_in(axis, x.rank())] = true;
  Reduction out;
  std::vector<std::size_t> order;
  std::int64_t kept = 1;
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    if (reduced[axis]) order.push_back(axis);
    if (!reduced[axis]) kept *= x.shape[axis];
    if (!reduced[axis]) out.shape.push_back(x.shape[axis]);
    if (reduced[axis] && call.node.integer("keepdims", 1) != 0) out.shape.push_back(1);
  }
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    if (!reduced[axis]) order.push_back(axis);
  }
  out.rows = reshaped(permuted(x, order), {x.count() / kept, kept});
  return out;
}

Outputs reduce_sum(const Call& call) {
  const Reduction reduction = reduction_of(call);
  Context& ctx = call.ctx;
  const Var x = activations(ctx, reduction.rows);
  const Tensor sums = ctx.empty_master({x.shape()[1]});
  ctx.backend->sum_rows(ctx.dtype, x.shape()[0], x.shape().at(1), x.value().data(), sums.data());
  return {to_host(sums, reduction.shape)};
}

/// The reduced positions are the pixels of one image: global average pooling.
Outputs reduce_mean(const Call& call) {
  const Reduction reduction = reduction_of(call);
  const Dims& rows = reduction.rows.shape;
  const Array picture = reshaped(reduction.rows, {1, rows[0], 1, rows[1]});
  return {to_host(global_average_pool(call.ctx, activations(call.ctx, picture)).value(), reduction.shape)};
}

/// One sum of squares a kept position.
Outputs reduce_sum_square(const Call& call) {
  const Reduction reduction = reduction_of(call);
  Context& ctx = call.ctx;
  const Var x = activations(ctx, transposed(reduction.rows));  // (kept, rows)
  Array out{.element = Element::f32, .shape = reduction.shape};
  const Tensor sum = Tensor::zeros(ctx.backend, {1}, Dtype::f64);
  for (std::int64_t i = 0; i < x.shape()[0]; ++i) {
    ctx.backend->sum_squares(ctx.dtype, x.shape()[1], x.value().rows(i, 1).data(), sum.data_as<double>());
    out.values.push_back(sum.to_doubles().at(0));
  }
  return {out};
}

}  // namespace

Adapters reduce_adapters() {
  return {{"ReduceSum", reduce_sum}, {"ReduceMean", reduce_mean}, {"ReduceSumSquare", reduce_sum_square}};
}

}  // namespace thaw::test
