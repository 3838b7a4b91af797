#pragma once

#include <memory>

#include "kernels/conv_ways.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/library.h"

namespace thaw::cuda {

/// thaw's own kernels and the library's engines, side by side. What an engine wants in another form than a `Backend`'s
/// call has it is converted when it is bound, and no part of what is timed: an engine is shown at its best.
class CudaConvWays : public ConvWays {
 public:
  /// `library` may be null. All have to outlive this.
  CudaConvWays(Gpu& gpu, DeviceMemory& memory, Workspace& work, Library* library)
      : gpu_(gpu), memory_(memory), work_(work), library_(library) {}

  std::vector<ConvWay> ways(const ConvTask& task) override;
  BoundCall bind(const ConvTask& task, const ConvWay& way, const ConvOperands& operands) override;
  Dtype result_of(const ConvTask& task) override;

 private:
  using Shared = std::shared_ptr<const Block>;

  [[nodiscard]] BoundCall bind_own(const ConvTask& task, const ConvOperands& operands);
  [[nodiscard]] BoundCall bind_engine(const ConvTask& task, const ConvWay& way, const ConvOperands& operands);
  /// A master filter in the activations' type, a depthwise one as (K,R,S,1).
  [[nodiscard]] Shared library_filter(const ConvProblem& problem, const void* w);
  /// Takes a filter gradient of type `from` out of `block` to dw: the way back of `library_filter`.
  void return_gradient(const ConvProblem& problem, Dtype from, const Block& block, void* dw);

  Gpu& gpu_;
  DeviceMemory& memory_;
  Workspace& work_;
  Library* library_;
};

}  // namespace thaw::cuda
