#include "kernels/cuda/nvidia_norms.h"

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/norm_graph.h"
#include "kernels/cuda/timing.h"
#include "kernels/files.h"

namespace thaw::cuda {

namespace {

/// Operands of a norm on small numbers, in both directions.
struct NormOperands {
  NormOperands(Gpu& gpu, DeviceMemory& memory, const NormProblem& problem)
      : x(memory, rows_of(problem)),
        y(memory, rows_of(problem)),
        dx(memory, rows_of(problem)),
        residual(memory, problem.residual ? rows_of(problem) : 1),
        channels(memory, 8 * stride_of(problem)) {
    for (const Block* block : {&x, &y, &dx, &residual, &channels}) gpu.fill(block->data(), 0x3C, block->bytes());
  }

  [[nodiscard]] NormForward forward(const NormProblem& problem) const {
    return {.x = x.data(),
            .gamma = channel(problem, 0),
            .beta = channel(problem, 1),
            .residual = residual.data(),
            .mean = channel(problem, 2),
            .variance = channel(problem, 3),
            .running_mean = channel(problem, 4),
            .running_variance = channel(problem, 5),
            .y = y.data()};
  }
  /// y is the output's gradient too: neither is written.
  [[nodiscard]] NormBackward backward(const NormProblem& problem) const {
    return {.x = x.data(),
            .y = y.data(),
            .dy = y.data(),
            .gamma = channel(problem, 0),
            .beta = channel(problem, 1),
            .mean = channel(problem, 2),
            .variance = channel(problem, 3),
            .dx = dx.data(),
            .dgamma = channel(problem, 6),
            .dbeta = channel(problem, 7),
            .dresidual = problem.residual ? residual.data() : nullptr};
  }

  Block x, y, dx, residual, channels;

 private:
  static std::size_t rows_of(const NormProblem& problem) {
    return static_cast<std::size_t>(problem.size()) * size_of(problem.dtype);
  }
  static std::size_t stride_of(const NormProblem& problem) {
    constexpr std::size_t alignment = DeviceMemory::alignment;
    return (static_cast<std::size_t>(problem.c) * sizeof(float) + alignment - 1) / alignment * alignment;
  }
  [[nodiscard]] void* channel(const NormProblem& problem, std::size_t index) const {
    return static_cast<std::byte*>(channels.data()) + index * stride_of(problem);
  }
};

}  // namespace

void NvidiaNorms::Services::finish_statistics(const NormProblem& problem, const NormForward& args,
                                              const void* inverse) {
  finish_norm_statistics(gpu_.stream(), problem, args, static_cast<const float*>(inverse));
}

void NvidiaNorms::Services::invert(const NormProblem& problem, const void* variance, void* inverse) {
  invert_norm_deviation(gpu_.stream(), problem, static_cast<const float*>(variance), static_cast<float*>(inverse));
}

NvidiaNorms::NvidiaNorms(Gpu& gpu, DeviceMemory& memory, cudnnContext* handle, std::string device,
                         const BackendOptions& options)
    : gpu_(gpu),
      memory_(memory),
      services_(gpu, memory),
      calls_(handle, services_),
      plans_(std::make_unique<CudnnNormPlanner>(handle, std::move(device)), plan_options(options)) {}

bool NvidiaNorms::forward(Workspace& own, const NormProblem& problem, const NormForward& args) {
  if (!CudaNorms::takes(problem, args)) return false;
  const NormPlan* const plan = find(own, problem, NormDirection::forward);
  if (plan != nullptr) calls_.forward(*plan, problem, args);
  return plan != nullptr;
}

bool NvidiaNorms::backward(Workspace& own, const NormProblem& problem, const NormBackward& args) {
  if (!CudaNorms::takes(problem, args)) return false;
  const NormPlan* const plan = find(own, problem, NormDirection::backward);
  if (plan != nullptr) calls_.backward(*plan, problem, args);
  return plan != nullptr;
}

NormPlanOptions NvidiaNorms::plan_options(const BackendOptions& options) {
  NormPlanOptions out{.fast = options.fast};
  if (!options.autotune) return out;
  out.folder = cache_folder() / "plans";
  out.time = [this](const NormRequest& request, const NormPlan* plan) { return seconds_of(request, plan); };
  return out;
}

const NormPlan* NvidiaNorms::find(Workspace& own, const NormProblem& problem, NormDirection direction) {
  own_ = &own;
  return plans_.find(problem, direction);
}

double NvidiaNorms::seconds_of(const NormRequest& request, const NormPlan* plan) {
  const NormProblem& problem = request.problem;
  const NormOperands operands(gpu_, memory_, problem);
  const NormForward forward = operands.forward(problem);
  const NormBackward backward = operands.backward(problem);
  const bool is_forward = request.direction == NormDirection::forward;
  return best_seconds(gpu_, [&] {
    if (plan == nullptr) {
      is_forward ? norm_forward(*own_, problem, forward) : norm_backward(*own_, problem, backward);
    } else {
      is_forward ? calls_.forward(*plan, problem, forward) : calls_.backward(*plan, problem, backward);
    }
  });
}

}  // namespace thaw::cuda
