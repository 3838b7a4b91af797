#include "kernels/cpu/cpu_conv_ways.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/cpu_backend.h"

namespace thaw {

namespace {

constexpr std::string_view kOneDnn = "oneDNN";

/// A copy of a master filter as oneDNN takes it: (K,R,S,C/groups).
std::shared_ptr<const std::vector<float>> filter_of(const ConvProblem& p, const void* w) {
  const std::span master(static_cast<const float*>(w), static_cast<std::size_t>(p.filter_size()));
  if (p.depthwise()) {
    return std::make_shared<const std::vector<float>>(transposed(master, std::int64_t{p.r} * p.s, p.c));
  }
  return std::make_shared<const std::vector<float>>(master.begin(), master.end());
}

ConvForward forward_of(const ConvOperands& to) {
  return {.x = to.x, .w = to.w, .bias = to.bias, .residual = to.residual, .y = to.out};
}

}  // namespace

std::vector<ConvWay> CpuConvWays::ways(const ConvTask& task) {
  const ConvProblem& p = task.problem;
  const bool loops = CpuBackend::hand_written(p);
  const bool product = task.direction == ConvDirection::forward ? products_.takes(p)
                       : task.direction == ConvDirection::data  ? products_.takes_data(p)
                                                                : products_.takes_filter(p);
  ConvWay own{.name = "own", .own = true, .chosen = true, .result = stored_result(task)};
  own.notes = {loops ? "depthwise loops" : "products"};
  own.transformed = !loops && p.r == 3 && p.s == 3 && p.stride == 1;
  ConvWay onednn{.name = std::string(kOneDnn), .chosen = !loops && !product, .result = stored_result(task)};
  if (loops && !p.depthwise()) return {own};  // oneDNN has no case for one channel in and one out
  if (!loops && !product) return {onednn};
  return {own, onednn};
}

BoundCall CpuConvWays::bind(const ConvTask& task, const ConvWay& way, const ConvOperands& operands) {
  backend_.enter("conv", task.problem.dtype);
  if (way.own || way.chosen) return bind_call(task, operands);
  if (way.name != kOneDnn) fail_way(task, way.name);
  return bind_onednn(task, operands);
}

BoundCall CpuConvWays::bind_call(const ConvTask& task, const ConvOperands& to) {
  const ConvProblem p = task.problem;
  CpuBackend& backend = backend_;
  switch (task.direction) {
    case ConvDirection::forward: {
      if (!task.packed) return {[&backend, p, args = forward_of(to)] { backend.conv_forward(p, args); }};
      const auto filter = backend.pack_conv(p, to.w, to.bias);
      return {[&backend, p, args = forward_of(to), filter] { backend.conv_forward_packed(p, *filter, args); }};
    }
    case ConvDirection::data: return {[&backend, p, to] { backend.conv_backward_data(p, to.w, to.dy, to.out); }};
    case ConvDirection::filter: break;
  }
  return {[&backend, p, to] { backend.conv_backward_filter(p, to.x, to.dy, to.out, nullptr); }};
}

BoundCall CpuConvWays::bind_onednn(const ConvTask& task, const ConvOperands& to) {
  switch (task.direction) {
    case ConvDirection::forward:
      return task.packed ? onednn_packed(task.problem, to) : onednn_forward(task.problem, to);
    case ConvDirection::data: return onednn_data(task.problem, to);
    case ConvDirection::filter: break;
  }
  return onednn_filter(task.problem, to);
}

BoundCall CpuConvWays::onednn_forward(const ConvProblem& p, const ConvOperands& to) {
  const auto filter = filter_of(p, to.w);
  ConvForward args = forward_of(to);
  args.w = filter->data();
  return {[this, p, args, filter] {
    backend_.enter("conv_forward", p.dtype);
    convs_.forward(p, args);
  }};
}

BoundCall CpuConvWays::onednn_packed(const ConvProblem& p, const ConvOperands& to) {
  const auto packed = std::make_shared<CpuPackedConv>();
  packed->problem = p;
  if (p.bias) {
    packed->bias = Scratch(arena_, static_cast<std::size_t>(p.k) * sizeof(float));
    std::copy_n(static_cast<const float*>(to.bias), p.k, reinterpret_cast<float*>(packed->bias.data()));
  }
  convs_.pack(p, filter_of(p, to.w)->data(), *packed);
  return {[this, p, args = forward_of(to), packed] {
    backend_.enter("conv_forward_packed", p.dtype);
    convs_.forward_packed(p, *packed, args);
  }};
}

BoundCall CpuConvWays::onednn_data(const ConvProblem& p, const ConvOperands& to) {
  return {[this, p, to, filter = filter_of(p, to.w)] {
    backend_.enter("conv_backward_data", p.dtype);
    convs_.backward_data(p, filter->data(), to.dy, to.out);
  }};
}

BoundCall CpuConvWays::onednn_filter(const ConvProblem& p, const ConvOperands& to) {
  const auto call = [this, p, to](void* dw) {
    backend_.enter("conv_backward_filter", p.dtype);
    convs_.backward_filter(p, to.x, to.dy, dw);
  };
  if (!p.depthwise()) return {[call, to] { call(to.out); }};
  const auto gradient = std::make_shared<std::vector<float>>(static_cast<std::size_t>(p.filter_size()),
                                                             std::numeric_limits<float>::quiet_NaN());
  return {[call, gradient] { call(gradient->data()); },
          [p, to, gradient] {
            std::ranges::copy(transposed(*gradient, p.c, std::int64_t{p.r} * p.s), static_cast<float*>(to.out));
          }};
}

}  // namespace thaw
