#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/norm_plan.h"
#include "kernels/cuda/scratch.h"

namespace thaw::cuda {

/// What norms need of the backend around them. Everything is ordered by the stream of the cuDNN handle.
class NormServices : public ScratchMemory {
 public:
  /// From the batch's mean and `inverse` (C) f32, 1/sqrt(variance + epsilon): `args.variance`, and the running
  /// statistics where wanted.
  virtual void finish_statistics(const NormProblem& problem, const NormForward& args, const void* inverse) = 0;
  /// inverse (C) = 1/sqrt(variance (C) + epsilon), f32.
  virtual void invert(const NormProblem& problem, const void* variance, void* inverse) = 0;
};

/// Batch norms by plans of cuDNN with the meaning of `Backend`'s calls: cuDNN keeps 1/sqrt(variance + epsilon), thaw
/// the variance; cuDNN would move the running variance with the unbiased variance, Keras (and so thaw) with the biased
/// one.
class CudaNorms {
 public:
  /// `handle` and `services` have to outlive this.
  CudaNorms(cudnnContext* handle, NormServices& services) : handle_(handle), services_(services) {}

  /// Whether a plan can give what is wanted, and needs nothing that is not there.
  static bool takes(const NormProblem& problem, const NormForward& args);
  static bool takes(const NormProblem& problem, const NormBackward& args);

  // A plan of the problem and direction.
  void forward(const NormPlan& plan, const NormProblem& problem, const NormForward& args);
  void backward(const NormPlan& plan, const NormProblem& problem, const NormBackward& args);

 private:
  cudnnContext* handle_;
  NormServices& services_;
};

}  // namespace thaw::cuda
