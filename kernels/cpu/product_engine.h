#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/simd/matrix_unit.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/threads.h"

namespace thaw {

/// The matrix unit that is used beside `simd`; null where there is none, where THAW_SIMD asks for lesser kernels, or
/// where oneDNN is kept from the unit (ONEDNN_MAX_CPU_ISA).
const MatrixUnit* matrix_unit_beside(const SimdKernels& simd);

/// Dense convolutions as matrix products of our own, summed in f32 whatever the type of the activations: 1x1 ones and
/// dense layers directly, 3x3 ones of stride 1 after Winograd, those of few channels over windows. It takes what it
/// computes faster than oneDNN, on AVX-512: in f32 the Winograd ones, with 2x2 outputs a tile, which costs no digits;
/// in bf16, where the processor has no matrix unit, all of them (its bf16 dot product has half the rate of f32
/// multiply-adds), with 4x4 outputs a tile, whose error of 1e-5 is far below bf16's own. On a matrix unit bf16's 1x1
/// ones are computed there, in all directions, and the filter gradient of the first convolution. Pointers and layouts
/// are those of `Backend`.
class ProductEngine {
 public:
  ProductEngine(std::shared_ptr<Arena> arena, const Threads& threads, const SimdKernels& simd);

  /// Whether forward, input gradient and filter gradient are computed here.
  [[nodiscard]] bool takes(const ConvProblem& problem) const;
  [[nodiscard]] bool takes_data(const ConvProblem& problem) const;
  [[nodiscard]] bool takes_filter(const ConvProblem& problem) const;

  void forward(const ConvProblem& problem, const ConvForward& args) const;
  /// The filter's panels: what `forward_packed` wants.
  [[nodiscard]] Scratch pack(const ConvProblem& problem, const float* w) const;
  /// As `forward`, with the filter from `panels`.
  void forward_packed(const ConvProblem& problem, const void* panels, const ConvForward& args) const;
  void backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) const;
  /// `dbias` may be null.
  void backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw, void* dbias) const;

 private:
  /// Whether the problem is a product of rows of `depth` numbers that suits the matrix unit.
  [[nodiscard]] bool suits_unit(const ConvProblem& problem, int depth) const;
  /// Whether the matrix unit computes its filter gradient.
  [[nodiscard]] bool suits_unit_filter(const ConvProblem& problem) const;
  /// Whether vectors compute it, all three directions.
  [[nodiscard]] bool suits_vectors(const ConvProblem& problem) const;
  [[nodiscard]] Scratch panels_of(const PanelSource& source, bool on_unit) const;
  void run(const RowProduct& product, bool on_unit) const;
  void sum_rows(const ConvProblem& problem, const void* dy, float* sums) const;
  void run_winograd(const ConvProblem& problem, const float* panels, const ConvForward& args) const;
  [[nodiscard]] Scratch winograd_filter(const ConvProblem& problem, const float* w, bool turned) const;

  std::shared_ptr<Arena> arena_;
  const Threads& threads_;
  const SimdKernels& simd_;
  const MatrixUnit* unit_ = nullptr;
  bool avx512_ = false;
};

}  // namespace thaw
