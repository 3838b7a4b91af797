#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/conv_ways.h"

namespace thaw::cuda {

class Workspace;

/// Dense convolutions and layers, and norms, as NVIDIA's libraries compute them (cuDNN, cuBLASLt). A call returns
/// false, having done nothing, where the library has no plan for the problem or is not the faster one; thaw's own
/// kernels do it then. The emulation has no library.
class Library {
 public:
  virtual ~Library() = default;
  /// `filter` has the activations' type where that is narrower than the master's.
  virtual bool conv_forward(const ConvProblem& problem, const void* filter, const ConvForward& args) = 0;
  virtual bool conv_backward_data(const ConvProblem& problem, const void* filter, const void* dy, void* dx) = 0;
  virtual bool conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, float* dw) = 0;
  virtual bool dense_forward(const DenseProblem& problem, const void* x, const void* weights, const void* bias,
                             void* y) = 0;
  virtual bool dense_backward_data(const DenseProblem& problem, const void* weights, const void* dy, void* dx) = 0;
  virtual bool dense_backward_weights(const DenseProblem& problem, const void* x, const void* dy, float* dw) = 0;
  /// Every engine that the library has for a task, also for a depthwise one (then none is chosen), best first by its
  /// own judgement.
  virtual std::vector<ConvWay> conv_engines(const ConvTask& task) = 0;
  /// One of them, ready to run: filters have the activations' type and lie as (K,R,S,C/groups) even where that is 1,
  /// and results have the type `ConvWay::result`.
  virtual std::function<void()> bind_conv(const ConvTask& task, const std::string& engine,
                                          const ConvOperands& operands) = 0;
  /// The type that the library's result has in the backend's own call of a task.
  virtual Dtype conv_result(const ConvTask& task) = 0;
  /// `own` is what own kernels need, against which a norm's plans are timed.
  virtual bool norm_forward(Workspace& own, const NormProblem& problem, const NormForward& args) = 0;
  virtual bool norm_backward(Workspace& own, const NormProblem& problem, const NormBackward& args) = 0;
  /// Plans made so far.
  [[nodiscard]] virtual std::int64_t plans() const = 0;
};

}  // namespace thaw::cuda
