#pragma once

#include "framework/autograd.h"

namespace thaw {

// Ops: check shapes, describe a problem, call the backend, record the way back. A closure is recorded only if an input
// wants a gradient, and it keeps only the tensors that a wanted gradient needs. Activations are (N,H,W,C) in the
// context's dtype unless said otherwise; every op throws `Error` (usage) for shapes that do not fit, naming itself.

struct ConvOptions {
  int stride = 1;
  Pad pad = {};
  bool depthwise = false;  ///< w is (R,S,C), one filter a channel; else (K,R,S,C/groups)
  int groups = 1;
};

/// Cross-correlation plus bias (K) where `bias` is defined: (N,H,W,C) -> (N,P,Q,K). w and bias are master-typed.
Var conv2d(Context& ctx, const Var& x, const Var& w, const Var& bias, const ConvOptions& options);

/// The forward problem of `conv2d` for inputs of these shapes.
ConvProblem conv_problem(const Shape& x, const Shape& w, bool bias, Dtype dtype, const ConvOptions& options);

struct NormOptions {
  bool batch_statistics = false;  ///< normalise with the batch's mean and biased variance, and move the running ones
  double epsilon = 1e-3;
  double momentum = 0.99;  ///< running = momentum running + (1-momentum) batch
  Act act = Act::linear;   ///< applied last; with a residual only linear and relu have a gradient
};

/// act(gamma (x - mean)/sqrt(variance + epsilon) + beta + residual) over the last axis; `residual` may be undefined.
/// Gradients flow through batch statistics, not through running ones.
Var batch_norm(Context& ctx, const Var& x, const Var& gamma, const Var& beta, const Tensor& running_mean,
               const Tensor& running_variance, const Var& residual, const NormOptions& options);

/// Element-wise activation of any shape.
Var activation(Context& ctx, const Var& x, Act act);

struct PoolOptions {
  PoolKind kind = PoolKind::max;
  int window = 2;
  int stride = 2;
  Pad pad = {};
  bool count_padding = false;
};

/// Windowed pooling (N,H,W,C) -> (N,P,Q,C).
Var pool2d(Context& ctx, const Var& x, const PoolOptions& options);

/// (N,H,W,C) -> (N,C).
Var global_average_pool(Context& ctx, const Var& x);

/// Zeros around the picture (ZeroPadding2D).
Var zero_pad(Context& ctx, const Var& x, const Pad& pad);

/// act(x w^T + bias): (N,C) * (K,C) -> (N,K), in the dtype of x. `bias` may be undefined. Only a linear activation has
/// a gradient here; put `activation` behind it otherwise.
Var dense(Context& ctx, const Var& x, const Var& w, const Var& bias, Act act = Act::linear);

/// x + y of one shape.
Var add(Context& ctx, const Var& x, const Var& y);

/// x (N,H,W,C) times gate (N,C), broadcast over the pixels.
Var scale_channels(Context& ctx, const Var& x, const Var& gate);

/// Filters (K,1,1,C) and (C,1,1,K) with their biases, master-typed.
struct SqueezeExciteWeights {
  Var reduce, reduce_bias;
  Var expand, expand_bias;
};

/// y, and what lies before it: (N,1,1,C) or (N,1,1,K) each, undefined where nothing records or observes.
struct SqueezeExciteOutputs {
  Var pooled;
  Var reduced, squeezed;  ///< before and behind the ReLU
  Var expanded, gate;     ///< before and behind the hard sigmoid
  Var y;                  ///< (N,H,W,C)
};

/// x (N,H,W,C) times the hard sigmoid of a layer of the ReLU of a layer of its channels' means: one backend call, whose
/// way back is that of the ops that it stands for.
SqueezeExciteOutputs squeeze_excite(Context& ctx, const Var& x, const SqueezeExciteWeights& weights);

/// The same values in another dtype.
Var cast(Context& ctx, const Var& x, Dtype dtype);

/// Inverted dropout in training, the identity otherwise. The mask is a function of (ctx.seed, ctx.step, call, element).
Var dropout(Context& ctx, const Var& x, double rate);

/// The same elements under another shape.
Var reshape(Context& ctx, const Var& x, const Shape& shape);

/// How a network wants its pixels: (x + offset[c]) * scale after an optional RGB -> BGR swap.
struct Preprocess {
  bool bgr = false;
  double scale = 1.0;
  std::array<double, 3> offset = {0, 0, 0};

  /// keras.applications "caffe" mode (ResNet50): BGR minus the ImageNet mean, 0..255.
  static Preprocess caffe() { return {.bgr = true, .offset = {-103.939, -116.779, -123.68}}; }
  /// Rescaling(1/127.5, offset -1) (MobileNetV3).
  static Preprocess minus_one_to_one() { return {.scale = 1.0 / 127.5, .offset = {-127.5, -127.5, -127.5}}; }
  static Preprocess none() { return {}; }
};

/// Pixels (N,H,W,3) RGB 0..255 (f32, f64 or u8) to the context's dtype. Not differentiable: pixels are data.
Tensor preprocess(const Context& ctx, const Tensor& pixels, const Preprocess& how);

/// What one step's loss says.
struct Loss {
  Tensor sums;           ///< one `LossSums` in device memory, as u8
  Tensor probabilities;  ///< (N,classes) master
};

/// Mean softmax cross-entropy of logits (N,classes, master) and labels (N) i32, in the logits form. The loss starts the
/// backward pass: after it, `ctx.tape->backward()` fills the gradients. Adds to `sums`, which the caller zeroes.
Loss softmax_cross_entropy(Context& ctx, const Var& logits, const Tensor& labels, const Tensor& sums);

/// A zeroed `LossSums` on the backend, and its value on the host.
Tensor make_loss_sums(const std::shared_ptr<Backend>& backend);
LossSums read_loss_sums(const Tensor& sums);

}  // namespace thaw
