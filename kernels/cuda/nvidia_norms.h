#pragma once

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/norm_calls.h"
#include "kernels/cuda/norm_plans.h"

namespace thaw::cuda {

class Workspace;

/// Batch norms on cuDNN, where `options.autotune` lets its engines be timed against own kernels and one of them wins.
class NvidiaNorms {
 public:
  /// What is given by reference, and the handle, have to outlive this.
  NvidiaNorms(Gpu& gpu, DeviceMemory& memory, cudnnContext* handle, std::string device, const BackendOptions& options);

  // As `Library::norm_forward` and `norm_backward`.
  bool forward(Workspace& own, const NormProblem& problem, const NormForward& args);
  bool backward(Workspace& own, const NormProblem& problem, const NormBackward& args);
  [[nodiscard]] std::int64_t plans() const { return plans_.made(); }

 private:
  class Services : public NormServices {
   public:
    Services(Gpu& gpu, DeviceMemory& memory) : gpu_(gpu), memory_(memory) {}
    void* allocate(std::size_t bytes) override { return memory_.allocate(bytes); }
    void release(void* block) noexcept override { memory_.release(block); }
    void finish_statistics(const NormProblem& problem, const NormForward& args, const void* inverse) override;
    void invert(const NormProblem& problem, const void* variance, void* inverse) override;

   private:
    Gpu& gpu_;
    DeviceMemory& memory_;
  };

  NormPlanOptions plan_options(const BackendOptions& options);
  /// Null: own kernels.
  const NormPlan* find(Workspace& own, const NormProblem& problem, NormDirection direction);
  double seconds_of(const NormRequest& request, const NormPlan* plan);

  Gpu& gpu_;
  DeviceMemory& memory_;
  Services services_;
  CudaNorms calls_;
  NormPlans plans_;
  Workspace* own_ = nullptr;  // of the call that asks for a plan
};

}  // namespace thaw::cuda
