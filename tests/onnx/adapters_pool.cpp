#include <algorithm>

#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

PoolProblem pool_problem(PoolKind kind, const Array& picture, const Window& window, Dtype dtype) {
  return {.kind = kind,
          .n = static_cast<int>(picture.shape[0]),
          .c = static_cast<int>(picture.shape[1]),
          .h = static_cast<int>(picture.shape[2]),
          .w = static_cast<int>(picture.shape[3]),
          .r = window.r,
          .s = window.s,
          .stride = window.stride,
          .pad = window.pad,
          .dtype = dtype};
}

/// thaw's position h*W+w within one channel's picture as ONNX' position in the whole (N,C,H,W), or with the picture
/// stored by columns.
Array onnx_indices(Array indices, const PoolProblem& problem, bool by_columns) {
  const std::int64_t picture = std::int64_t{problem.h} * problem.w;
  const std::int64_t outputs = std::int64_t{problem.p()} * problem.q();
  for (std::size_t i = 0; i < indices.values.size(); ++i) {
    const auto at = static_cast<std::int64_t>(indices.values[i]);
    const std::int64_t channel = static_cast<std::int64_t>(i) / outputs;
    const std::int64_t within = by_columns ? at % problem.w * problem.h + at / problem.w : at;
    indices.values[i] = static_cast<double>(channel * picture + within);
  }
  return indices;
}

Outputs run_pool(const Call& call, const PoolProblem& problem, std::size_t rank) {
  problem.check();
  Context& ctx = call.ctx;
  const Shape out_shape{problem.n, problem.p(), problem.q(), problem.c};
  const Var x = activations(ctx, channels_last(as_picture(call.real(0))));
  const Tensor y = ctx.empty(out_shape);
  const bool wants_indices = call.node.outputs.size() > 1;
  const Tensor indices = Tensor::zeros(ctx.backend, out_shape, Dtype::i32);
  ctx.backend->pool_forward(problem, x.value().data(), y.data(),
                            wants_indices ? indices.data_as<std::int32_t>() : nullptr);
  const Dims shape =
      rank == 3 ? Dims{problem.n, problem.c, problem.q()} : Dims{problem.n, problem.c, problem.p(), problem.q()};
  Outputs out{reshaped(channels_first(to_host(y, out_shape.to_vector())), shape)};
  if (wants_indices) {
    const Array positions = channels_first(to_host(indices, out_shape.to_vector(), Element::i64));
    const bool by_columns = call.node.integer("storage_order", 0) != 0;
    out.push_back(reshaped(onnx_indices(positions, problem, by_columns), shape));
  }
  return out;
}

Outputs windowed(const Call& call, PoolKind kind) {
  const Array& x = call.real(0);
  need(x.rank() == 3 || x.rank() == 4, "three spatial axes");
  const Array picture = as_picture(x);
  const Window window = window_of(call, call.node.integers("kernel_shape", {}), picture.shape[2], picture.shape[3]);
  PoolProblem problem = pool_problem(kind, picture, window, call.ctx.dtype);
  problem.count_padding = call.node.integer("count_include_pad", 0) != 0;
  need(!(problem.count_padding && window.ceiled), "a partial last window with counted padding");
  return run_pool(call, problem, x.rank());
}

Outputs max_pool(const Call& call) { return windowed(call, PoolKind::max); }
Outputs average_pool(const Call& call) { return windowed(call, PoolKind::average); }

Outputs global_average(const Call& call) {
  const Array& x = call.real(0);
  need(x.rank() == 4, "{} axes: thaw pools pictures", x.rank());
  const Var y = global_average_pool(call.ctx, activations(call.ctx, channels_last(x)));
  return {to_host(y.value(), {x.shape[0], x.shape[1], 1, 1})};
}

Outputs global_max(const Call& call) {
  const Array& x = call.real(0);
  need(x.rank() == 4, "{} axes: thaw pools pictures", x.rank());
  const Window all{.r = static_cast<int>(x.shape[2]), .s = static_cast<int>(x.shape[3])};
  return run_pool(call, pool_problem(PoolKind::max, x, all, call.ctx.dtype), 4);
}

/// MaxUnpool puts each value where its maximum was: the gradient of max pooling, `pool_backward`.
Outputs max_unpool(const Call& call) {
  const Array& dy = call.real(0);
  need(!call.has(2), "output_shape: indices into another picture than the output");
  need(dy.rank() == 4, "{} axes: thaw pools pictures", dy.rank());
  const Dims kernel = call.node.integers("kernel_shape", {});
  const Dims strides = call.node.integers("strides", Dims(kernel.size(), 1));
  need(kernel.size() == 2 && strides.at(0) == strides.at(1), "two strides");
  const Window window{
      .r = static_cast<int>(kernel[0]), .s = static_cast<int>(kernel[1]), .stride = static_cast<int>(strides[0])};
  const Array x{.element = dy.element,
                .shape = {dy.shape[0], dy.shape[1], (dy.shape[2] - 1) * strides[0] + kernel[0],
                          (dy.shape[3] - 1) * strides[1] + kernel[1]}};
  const PoolProblem problem = pool_problem(PoolKind::max, x, window, call.ctx.dtype);

  const Array indices = channels_last(call.input(1));
  std::vector<std::int32_t> positions(indices.values.size());
  std::transform(indices.values.begin(), indices.values.end(), positions.begin(), [&problem](double at) {
    return static_cast<std::int32_t>(static_cast<std::int64_t>(at) % (std::int64_t{problem.h} * problem.w));
  });
  Context& ctx = call.ctx;
  const Var gradient = activations(ctx, channels_last(dy));
  const Tensor device = Tensor::from_labels(ctx.backend, positions);
  const Tensor dx = ctx.empty({problem.n, problem.h, problem.w, problem.c});
  ctx.backend->pool_backward(problem, gradient.value().data(), device.data_as<std::int32_t>(), dx.data());
  return {channels_first(to_host(dx, dx.shape().to_vector()))};
}

}  // namespace

Adapters pool_adapters() {
  return {{"MaxPool", max_pool},
          {"AveragePool", average_pool},
          {"GlobalAveragePool", global_average},
          {"GlobalMaxPool", global_max},
          {"MaxUnpool", max_unpool}};
}

}  // namespace thaw::test
