#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/threads.h"

namespace thaw {

/// Dense convolutions as matrix products of our own, computed in f32 whatever the type of the activations: 1x1 ones and
/// dense layers directly, 3x3 ones of stride 1 after Winograd, those of few channels over windows. It takes what it
/// computes faster than oneDNN, on AVX-512: in f32 the Winograd ones, with 2x2 outputs a tile, which costs no digits;
/// in bf16, where the processor has no matrix unit, all of them (its bf16 dot product has half the rate of f32
/// multiply-adds), with 4x4 outputs a tile, whose error of 1e-5 is far below bf16's own. Pointers and layouts are those
/// of `Backend`.
class ProductEngine {
 public:
  ProductEngine(std::shared_ptr<Arena> arena, const Threads& threads, const SimdKernels& simd);

  /// Whether forward and filter gradient are computed here, and whether the input gradient is.
  [[nodiscard]] bool takes(const ConvProblem& problem) const;
  [[nodiscard]] bool takes_data(const ConvProblem& problem) const;

  void forward(const ConvProblem& problem, const ConvForward& args) const;
  /// The filter's panels: what `forward_packed` wants.
  [[nodiscard]] Scratch pack(const ConvProblem& problem, const float* w) const;
  /// As `forward`, with the filter from `panels`.
  void forward_packed(const ConvProblem& problem, const float* panels, const ConvForward& args) const;
  void backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) const;
  /// `dbias` may be null.
  void backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw, void* dbias) const;

 private:
  void run(const RowProduct& product) const;
  void sum_rows(const ConvProblem& problem, const void* dy, float* sums) const;
  void run_winograd(const ConvProblem& problem, const float* panels, const ConvForward& args) const;
  [[nodiscard]] Scratch winograd_filter(const ConvProblem& problem, const float* w, bool turned) const;

  std::shared_ptr<Arena> arena_;
  const Threads& threads_;
  const SimdKernels& simd_;
  bool avx512_ = false;
  bool matrix_unit_ = false;
};

}  // namespace thaw
