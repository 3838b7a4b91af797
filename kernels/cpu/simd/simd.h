#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/backend.h"
#include "kernels/cpu/simd/product.h"

namespace thaw {

/// The hand-written CPU kernels, compiled once per instruction set. Pointers mean what they mean in `Backend`;
/// activations are f32 or bf16 (the caller refuses other types), master operands f32. Kernels allocate nothing: where a
/// call takes `scratch`, the caller passes a block of the size that the function below names, aligned to 64 bytes, with
/// any contents. Work is cut into pieces that do not depend on the number of OpenMP threads, and partial sums are added
/// in a fixed order, so results have the same bits for every thread count.
struct SimdKernels {
  const char* name;  ///< "baseline", "avx2", "avx512" or "avx512_bf16"

  void (*norm_forward)(const NormProblem& problem, const NormForward& args, void* scratch);
  /// Where problem.residual, the derivative is taken from y, which is possible for linear, relu and relu6.
  void (*norm_backward)(const NormProblem& problem, const NormBackward& args, void* scratch);

  void (*act_forward)(Act act, Dtype dtype, std::int64_t count, const void* x, void* y);
  void (*act_backward)(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx);
  void (*add)(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y);
  void (*scale_forward)(const ScaleProblem& problem, const void* x, const void* gate, void* y);
  /// Either of dx and dgate may be null. dx may be dy.
  void (*scale_backward)(const ScaleProblem& problem, const void* x, const void* gate, const void* dy, void* dx,
                         void* dgate);
  /// Any type to f32, bf16 or f64.
  void (*cast)(Dtype from, Dtype to, std::int64_t count, const void* x, void* y);
  void (*preprocess)(const PreprocessProblem& problem, const void* pixels, void* y);
  void (*dropout)(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y);

  void (*sum_rows)(Dtype dtype, std::int64_t rows, int c, const void* x, float* sums, void* scratch);
  void (*sum_squares)(Dtype dtype, std::int64_t count, const void* x, double* out, void* scratch);
  /// A label outside [0, classes) counts as a loss that is not finite.
  void (*softmax_cross_entropy)(int n, int classes, const float* logits, const std::int32_t* labels,
                                double gradient_scale, float* probabilities, float* dlogits, LossSums* sums);

  void (*adam)(const UpdateSlot* slots, std::size_t count, const AdamStep& step);
  void (*sgd)(const UpdateSlot* slots, std::size_t count, const SgdStep& step);

  // Depthwise convolution only (problem.depthwise(), or one channel in, one out): filters (R,S,C) f32.
  void (*depthwise_forward)(const ConvProblem& problem, const ConvForward& args);
  void (*depthwise_backward_data)(const ConvProblem& problem, const float* w, const void* dy, void* dx);
  /// Either of dw and dbias may be null.
  void (*depthwise_backward_filter)(const ConvProblem& problem, const void* x, const void* dy, float* dw, float* dbias,
                                    void* scratch);

  void (*pool_forward)(const PoolProblem& problem, const void* x, void* y, std::int32_t* indices);
  void (*pool_backward)(const PoolProblem& problem, const void* dy, const std::int32_t* indices, void* dx);
  void (*pad_forward)(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y);
  void (*pad_backward)(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx);

  const ProductKernels& products;
};

/// Scratch of `norm_forward` and `norm_backward`, in bytes.
std::size_t norm_scratch_bytes(std::int64_t rows, int c);
/// Scratch of `sum_rows`, in bytes.
std::size_t sum_rows_scratch_bytes(std::int64_t rows, int c);
/// Scratch of `sum_squares`, in bytes.
std::size_t sum_squares_scratch_bytes(std::int64_t count);
/// Scratch of `depthwise_backward_filter`, in bytes.
std::size_t depthwise_filter_scratch_bytes(const ConvProblem& problem);

/// The kernels for the best instruction set of this processor, chosen once. The environment variable THAW_SIMD
/// (baseline, avx2, avx512, avx512_bf16) chooses another. Throws `Error` (device) where that one is unknown or cannot
/// run here.
const SimdKernels& simd_kernels();

/// The kernels that the environment variable's value `wanted` asks for; empty: the best of this processor. Throws
/// `Error` (device) for a name that it does not have.
const SimdKernels& choose_simd_kernels(std::string_view wanted);

/// The kernels of one instruction set, or null where this build or this processor does not have it.
const SimdKernels* simd_kernels(std::string_view isa);

/// Makes the calling thread treat denormal numbers as zero, in and out (x86 MXCSR, aarch64 FPCR; elsewhere nothing).
/// Denormal optimizer state costs a factor of ten otherwise; call it once on every OpenMP thread.
void set_flush_to_zero();

}  // namespace thaw
