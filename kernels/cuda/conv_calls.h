#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/conv_plans.h"
#include "kernels/cuda/scratch.h"

namespace thaw::cuda {

/// What convolutions need of the backend around them. Everything is ordered by the stream of the cuDNN handle.
class ConvServices : public ScratchMemory {
 public:
  virtual void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) = 0;
  /// y = act(y + bias + residual) in place for the outputs (N,P,Q,K) of the problem; null operands are left out.
  virtual void epilogue(const ConvProblem& problem, const void* bias, const void* residual, void* y) = 0;
};

/// A plan as one of a task's ways.
ConvWay way_of(const ConvPlanFacts& facts);

/// Dense convolutions on cuDNN with the meaning of `Backend`'s calls, which refuse depthwise ones.
class CudaConvs {
 public:
  /// `handle`, `services` and what `options.time` refers to have to outlive this.
  CudaConvs(cudnnContext* handle, ConvServices& services, std::unique_ptr<ConvPlanner> planner,
            ConvPlanOptions options);

  /// Filters are f32 masters and cast for each call, unless `w` says that they have the activations' type already.
  void forward(const ConvProblem& problem, const ConvForward& args, Dtype w = Dtype::f32);
  void backward_data(const ConvProblem& problem, const void* w_data, const void* dy, void* dx, Dtype w = Dtype::f32);
  /// dw (K,R,S,C/groups) in f32. The bias' gradient is the sum of dy's rows, which is the caller's.
  void backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw);

  /// The same with a plan of the caller's choice, for timing. `pointers.w` has the activations' type; `out` of a filter
  /// gradient is f32.
  void run(const ConvRequest& request, const ConvPlan& plan, const ConvPointers& pointers);

  /// Every engine that cuDNN offers for a task, also for a depthwise one, of which none is chosen.
  std::vector<ConvWay> engines(const ConvTask& task);
  /// One of them. Filters have the activations' type and lie as (K,R,S,C/groups), depthwise ones too, and results have
  /// the type that the engine gives. Throws `Error` (device) where it is not offered.
  std::function<void()> bind(const ConvTask& task, const std::string& engine, const ConvPointers& pointers);

  [[nodiscard]] ConvPlans& plans() { return plans_; }

 private:
  /// The plan and what it leaves to an epilogue.
  void execute(const ConvRequest& request, const ConvPlan& plan, const ConvPointers& pointers);

  cudnnContext* handle_;
  ConvServices& services_;
  ConvPlans plans_;
  std::string asked_;                                    // the request that engines were last listed for
  std::vector<std::shared_ptr<const ConvPlan>> listed_;  // of it
};

}  // namespace thaw::cuda
