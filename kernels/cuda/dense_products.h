#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <map>
#include <string>

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/gpu.h"
#include "kernels/problem.h"

namespace thaw::cuda {

/// Dense layers as matrix products of cuBLASLt. The library's first choice for a problem is kept, so that a problem is
/// computed in one way for as long as the object lives. Operands may be f32 or bf16, sums are f32.
class DenseProducts {
 public:
  DenseProducts(Gpu& gpu, DeviceMemory& memory, bool tf32);
  ~DenseProducts();
  DenseProducts(const DenseProducts&) = delete;
  DenseProducts& operator=(const DenseProducts&) = delete;

  /// y (N,K) = act(x (N,C) weights (K,C)^T + bias (K) f32); weights in the activations' type.
  bool forward(const DenseProblem& problem, const void* x, const void* weights, const float* bias, void* y);
  /// dx (N,C) = dy (N,K) weights (K,C).
  bool backward_data(const DenseProblem& problem, const void* weights, const void* dy, void* dx);
  /// dw (K,C) f32 = dy (N,K)^T x (N,C).
  bool backward_weights(const DenseProblem& problem, const void* x, const void* dy, float* dw);
  [[nodiscard]] std::int64_t plans() const { return static_cast<std::int64_t>(plans_.size()); }

 private:
  struct Product;
  struct Plan;
  /// False where cuBLASLt has nothing for it.
  bool multiply(const Product& product);

  Gpu& gpu_;
  cublasLtHandle_t handle_ = nullptr;
  cublasComputeType_t compute_;
  DeviceMemory& memory_;
  Block workspace_;
  std::map<std::string, Plan> plans_;
};

}  // namespace thaw::cuda
