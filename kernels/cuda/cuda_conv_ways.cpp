#include "kernels/cuda/cuda_conv_ways.h"

namespace thaw::cuda {

namespace {

std::size_t floats(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

}  // namespace

std::vector<ConvWay> CudaConvWays::ways(const ConvTask& task) {
  std::vector<ConvWay> engines;
  if (library_ != nullptr) engines = library_->conv_engines(task);
  ConvWay own{.name = "own", .own = true, .result = stored_result(task)};
  own.notes = {task.problem.depthwise() ? "depthwise kernels" : "tiled products"};
  // Filter gradients keep partial sums, as many as the kernel sees fit; nothing else takes memory.
  if (task.direction != ConvDirection::filter) own.workspace_bytes = 0;
  own.chosen = task.problem.depthwise() || engines.empty();
  engines.insert(engines.begin(), std::move(own));
  return engines;
}

BoundCall CudaConvWays::bind(const ConvTask& task, const ConvWay& way, const ConvOperands& operands) {
  if (way.own) return bind_own(task, operands);
  if (library_ == nullptr) fail_way(task, way.name);
  return bind_engine(task, way, operands);
}

Dtype CudaConvWays::result_of(const ConvTask& task) {
  return library_ == nullptr || task.problem.depthwise() ? stored_result(task) : library_->conv_result(task);
}

BoundCall CudaConvWays::bind_own(const ConvTask& task, const ConvOperands& operands) {
  const ConvProblem p = task.problem;
  const auto* w = static_cast<const float*>(operands.w);
  auto* dw = static_cast<float*>(operands.out);
  const ConvOperands to = operands;
  Workspace& work = work_;
  switch (task.direction) {
    case ConvDirection::forward: {
      const ConvForward args{.x = to.x, .w = w, .bias = to.bias, .residual = to.residual, .y = to.out};
      if (p.depthwise()) return {[&work, p, args] { depthwise_forward(work.stream(), p, args); }};
      return {[&work, p, args] { product_forward(work.stream(), p, args); }};
    }
    case ConvDirection::data:
      if (p.depthwise()) return {[&work, p, w, to] { depthwise_backward_data(work.stream(), p, w, to.dy, to.out); }};
      return {[&work, p, w, to] { product_backward_data(work.stream(), p, w, to.dy, to.out); }};
    case ConvDirection::filter: break;
  }
  if (p.depthwise()) return {[&work, p, dw, to] { depthwise_backward_filter(work, p, to.x, to.dy, dw); }};
  return {[&work, p, dw, to] { product_backward_filter(work, p, to.x, to.dy, dw); }};
}

BoundCall CudaConvWays::bind_engine(const ConvTask& task, const ConvWay& way, const ConvOperands& operands) {
  const ConvProblem& p = task.problem;
  ConvOperands given = operands;
  if (task.direction != ConvDirection::filter) {
    const Shared filter = library_filter(p, operands.w);
    if (filter != nullptr) given.w = filter->data();
    return {[run = library_->bind_conv(task, way.name, given), filter] { run(); }};
  }
  if (!p.depthwise() && way.result == Dtype::f32) return {library_->bind_conv(task, way.name, given)};
  const auto gradient = std::make_shared<const Block>(memory_, floats(p.filter_size()));
  gpu_.fill(gradient->data(), 0xFF, gradient->bytes());  // NaN, as outputs are: what is not written shows
  given.out = gradient->data();
  return {library_->bind_conv(task, way.name, given),
          [this, p, from = way.result, gradient, dw = operands.out] { return_gradient(p, from, *gradient, dw); }};
}

CudaConvWays::Shared CudaConvWays::library_filter(const ConvProblem& p, const void* w) {
  const std::int64_t count = p.filter_size();
  if (!p.depthwise() && p.dtype == Dtype::f32) return nullptr;
  const void* master = w;
  Block turned;
  if (p.depthwise()) {
    std::vector<float> filter(static_cast<std::size_t>(count));
    gpu_.download(filter.data(), w, floats(count));
    filter = transposed(filter, std::int64_t{p.r} * p.s, p.c);
    turned = Block(memory_, floats(count));
    gpu_.upload(turned.data(), filter.data(), floats(count));
    master = turned.data();
  }
  auto filter = std::make_shared<Block>(memory_, floats(count));
  cast(work_.stream(), Dtype::f32, p.dtype, count, master, filter->data());
  return filter;
}

void CudaConvWays::return_gradient(const ConvProblem& p, Dtype from, const Block& block, void* dw) {
  const std::int64_t count = p.filter_size();
  cast(work_.stream(), from, Dtype::f32, count, block.data(), dw);
  if (!p.depthwise()) return;
  std::vector<float> gradient(static_cast<std::size_t>(count));
  gpu_.download(gradient.data(), dw, floats(count));
  gradient = transposed(gradient, p.c, std::int64_t{p.r} * p.s);
  gpu_.upload(dw, gradient.data(), floats(count));
}

}  // namespace thaw::cuda
