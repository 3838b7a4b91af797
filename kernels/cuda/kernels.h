#pragma once

#include <cstdint>
#include <span>

#include "kernels/backend.h"
#include "kernels/cuda/device.h"

// thaw's own CUDA kernels, by what starts them. Activations are f32 or bf16, master operands f32, arguments as those of
// the `Backend` call of the same name. Sums are taken in an order that depends on the problem and the GPU's number of
// multiprocessors only.

namespace thaw::cuda {

/// A parameter of an optimizer's launch; `narrow` gets the new values of w in bf16 where it is not null.
struct ParameterUpdate {
  UpdateSlot slot;
  bf16* narrow = nullptr;
};

/// Memory between two launches, and the device that it is on.
class Workspace {
 public:
  virtual ~Workspace() = default;
  [[nodiscard]] virtual Stream stream() const = 0;
  [[nodiscard]] virtual int multiprocessors() const = 0;
  /// At least `bytes` bytes, aligned to 256, until the next call: what the launches of one operation share.
  virtual void* scratch(std::size_t bytes) = 0;
  /// A second such range, for what one kernel of an operation leaves to the next.
  virtual void* held(std::size_t bytes) = 0;
  /// `most_tickets` counters at one address, zeroed; every kernel leaves them so.
  virtual unsigned* tickets() = 0;
  static constexpr std::int64_t most_tickets = 1 << 16;
};

void act_forward(Stream stream, Act act, Dtype dtype, std::int64_t count, const void* x, void* y);
void act_backward(Stream stream, Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx);
void add(Stream stream, Dtype dtype, std::int64_t count, const void* a, const void* b, void* y);
void cast(Stream stream, Dtype from, Dtype to, std::int64_t count, const void* x, void* y);
void dropout(Stream stream, Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y);
void preprocess(Stream stream, const PreprocessProblem& problem, const void* pixels, void* y);
/// In as few launches as the number of photos allows (64 each).
void resize_photos(Stream stream, int size, std::span<const PhotoCrop> crops, float* pixels);
void scale_forward(Stream stream, const ScaleProblem& problem, const void* x, const void* gate, void* y);
void scale_backward(Workspace& work, const ScaleProblem& problem, const void* x, const void* gate, const void* dy,
                    void* dx, void* dgate);
/// Three launches.
void squeeze_excite_forward(Workspace& work, const SqueezeExciteProblem& problem, const SqueezeExciteForward& args);
/// y = act(y + bias + residual) in place: what a convolution's plan could not fuse. Bias (C) f32 and residual may be
/// null.
void epilogue(Stream stream, Act act, Dtype dtype, std::int64_t rows, int c, const float* bias, const void* residual,
              void* y);

/// y (rows,C) = act(sums + bias), from f32 sums; bias may be null.
void finish_sums(Stream stream, Act act, Dtype dtype, std::int64_t rows, int c, const float* sums, const float* bias,
                 void* y);

void norm_forward(Workspace& work, const NormProblem& problem, const NormForward& args);
void norm_backward(Workspace& work, const NormProblem& problem, const NormBackward& args);
// Between a library's norms and thaw's, which keep variances (C) f32 where cuDNN keeps inverse = 1/sqrt(variance +
// epsilon). The first gives `args.variance` from it and moves the running statistics as `norm_forward` does.
void finish_norm_statistics(Stream stream, const NormProblem& problem, const NormForward& args, const float* inverse);
void invert_norm_deviation(Stream stream, const NormProblem& problem, const float* variance, float* inverse);
void sum_rows(Workspace& work, Dtype dtype, std::int64_t rows, int c, const void* x, float* sums);
void sum_squares(Workspace& work, Dtype dtype, std::int64_t count, const void* x, double* out);

void global_average(Workspace& work, const PoolProblem& problem, const void* x, void* y);
void pool_forward(Workspace& work, const PoolProblem& problem, const void* x, void* y, std::int32_t* indices);
void pool_backward(Stream stream, const PoolProblem& problem, const void* dy, const std::int32_t* indices, void* dx);
/// Moves (N,H,W,C) into or out of an array with `pad` around each image; what lies outside becomes zero.
void pad(Stream stream, int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y);
void crop(Stream stream, int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx);

void depthwise_forward(Stream stream, const ConvProblem& problem, const ConvForward& args);
void depthwise_backward_data(Stream stream, const ConvProblem& problem, const float* w, const void* dy, void* dx);
void depthwise_backward_filter(Workspace& work, const ConvProblem& problem, const void* x, const void* dy, float* dw);

// Any convolution as a tiled matrix product over implied windows, sums in f32: for problems that cuDNN has no plan for.
void product_forward(Stream stream, const ConvProblem& problem, const ConvForward& args);
void product_backward_data(Stream stream, const ConvProblem& problem, const float* w, const void* dy, void* dx);
void product_backward_filter(Workspace& work, const ConvProblem& problem, const void* x, const void* dy, float* dw);

void softmax_cross_entropy(Stream stream, int n, int classes, const float* logits, const std::int32_t* labels,
                           double gradient_scale, float* probabilities, float* dlogits, LossSums* sums);
// Every parameter in as few launches as their number allows (384 each). `step_size` is read on the device, so that a
// recorded call can run with another one; it takes the place of the step's learning rate and number.
void adam(Stream stream, std::span<const ParameterUpdate> updates, const AdamStep& step, const float* step_size);
void sgd(Stream stream, std::span<const ParameterUpdate> updates, const SgdStep& step, const float* step_size);

}  // namespace thaw::cuda
