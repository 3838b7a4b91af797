#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/dtype.h"

namespace thaw {

// Problem letters, used everywhere: n batch, c input channels, h w input height and width, k output channels, r s
// filter height and width, p q output height and width. Activations are NHWC, dense filters (K,R,S,C/groups), depthwise
// filters (R,S,C), dense layers (K,C). Master-typed operands are f32 (f64 where activations are f64).

/// Activation functions with the Keras meaning: hard_swish(x) = x relu6(x+3)/6, hard_sigmoid(x) = relu6(x+3)/6.
enum class Act : std::uint8_t { linear, relu, relu6, hard_swish, hard_sigmoid };

std::string_view name_of(Act act);

/// Explicit, possibly asymmetric zero padding in pixels.
struct Pad {
  int top = 0;
  int bottom = 0;
  int left = 0;
  int right = 0;

  [[nodiscard]] bool any() const { return (top | bottom | left | right) != 0; }
  bool operator==(const Pad&) const = default;
};

/// The same padding on four sides.
constexpr Pad pad_all(int pixels) { return {pixels, pixels, pixels, pixels}; }

/// TensorFlow's "same" padding of one axis pair: total = max((ceil(n/s)-1)s + k - n, 0), the extra pixel at the end.
Pad pad_same(int height, int width, int kernel_h, int kernel_w, int stride);

/// Cross-correlation y = act(x * w + bias + residual): (N,H,W,C) * (K,R,S,C/groups) -> (N,P,Q,K).
struct ConvProblem {
  int n = 1, c = 1, h = 1, w = 1;
  int k = 1, r = 1, s = 1;
  int stride = 1;
  Pad pad = {};
  int groups = 1;
  bool bias = false;
  bool residual = false;
  Act act = Act::linear;
  Dtype dtype = Dtype::f32;

  [[nodiscard]] int p() const { return (h + pad.top + pad.bottom - r) / stride + 1; }
  [[nodiscard]] int q() const { return (w + pad.left + pad.right - s) / stride + 1; }
  /// One filter a channel: the filter is (R,S,C) then.
  [[nodiscard]] bool depthwise() const { return groups == c && k == c && groups > 1; }
  [[nodiscard]] std::int64_t input_size() const { return std::int64_t{n} * h * w * c; }
  [[nodiscard]] std::int64_t output_size() const { return std::int64_t{n} * p() * q() * k; }
  [[nodiscard]] std::int64_t filter_size() const { return std::int64_t{k} * r * s * (c / groups); }
  /// Multiplications and additions of one direction (forward, input gradient or filter gradient).
  [[nodiscard]] double flops() const;
  /// Least bytes moved by the forward direction: every operand once.
  [[nodiscard]] double bytes() const;
  /// `n32c64h56w56_k128r3s3u2p1`, with `g` groups, `p top.bottom.left.right` where sides differ, then `+bias`,
  /// `+residual`, `+relu` and `:bf16`. It names tests, bench rows, cached primitives and failures.
  [[nodiscard]] std::string text() const;
  /// Reads `text()` back. Throws `Error` (usage) naming the part that is not understood.
  static ConvProblem parse(std::string_view text);
  /// Throws `Error` (usage) where sizes are impossible.
  void check() const;
  /// Throws `Error` (usage) where a filter that was packed for `packed` does not serve: everything but batch, image and
  /// epilogue has to be equal.
  void check_packed(const ConvProblem& packed) const;
  bool operator==(const ConvProblem&) const = default;
};

/// Batch normalisation over rows = N*H*W of C channels: y = act(gamma (x-mean)/sqrt(variance+epsilon) + beta +
/// residual).
struct NormProblem {
  std::int64_t rows = 1;
  int c = 1;
  bool training = false;  ///< batch statistics (and their gradient) instead of the running ones
  bool residual = false;
  Act act = Act::linear;
  double epsilon = 1e-3;
  Dtype dtype = Dtype::f32;

  [[nodiscard]] std::int64_t size() const { return rows * c; }
  /// The gradient is read off the output: the pre-activation of norm + residual is not kept.
  [[nodiscard]] bool gradient_from_y() const { return residual && act != Act::linear; }
  /// Whether the output tells the activation's derivative where it has to: relu and relu6.
  [[nodiscard]] bool has_gradient() const { return !gradient_from_y() || act == Act::relu || act == Act::relu6; }
  /// Throws `Error` (usage) where there is no gradient.
  void check_gradient() const;
  [[nodiscard]] std::string text() const;
};

enum class PoolKind : std::uint8_t { max, average };

/// Windowed pooling (N,H,W,C) -> (N,P,Q,C). Padding never wins a maximum; an average divides by the window's pixels
/// inside the image, or by R*S with `count_padding`. Global average pooling is r = h, s = w.
struct PoolProblem {
  PoolKind kind = PoolKind::max;
  int n = 1, c = 1, h = 1, w = 1;
  int r = 2, s = 2;
  int stride = 2;
  Pad pad = {};
  bool count_padding = false;
  Dtype dtype = Dtype::f32;

  [[nodiscard]] int p() const { return (h + pad.top + pad.bottom - r) / stride + 1; }
  [[nodiscard]] int q() const { return (w + pad.left + pad.right - s) / stride + 1; }
  [[nodiscard]] bool global() const { return r == h && s == w && !pad.any(); }
  [[nodiscard]] std::int64_t input_size() const { return std::int64_t{n} * h * w * c; }
  [[nodiscard]] std::int64_t output_size() const { return std::int64_t{n} * p() * q() * c; }
  [[nodiscard]] std::string text() const;
  void check() const;
  /// `check`, and throws `Error` (usage) where a maximum is to be differentiated without its indices.
  void check_gradient(const std::int32_t* indices) const;
};

/// A dense layer y = act(x w^T + bias): (N,C) * (K,C) -> (N,K).
struct DenseProblem {
  int n = 1, c = 1, k = 1;
  bool bias = true;
  Act act = Act::linear;
  Dtype dtype = Dtype::f32;

  [[nodiscard]] double flops() const { return 2.0 * n * c * k; }
  [[nodiscard]] std::string text() const;
  /// The same as a 1x1 convolution of images of one pixel.
  [[nodiscard]] ConvProblem as_conv() const;
};

/// Per-image channel gates (squeeze-excite): (N,HW,C) * (N,C) -> (N,HW,C). With hw = 1 it is an element-wise product.
struct ScaleProblem {
  int n = 1, hw = 1, c = 1;
  Dtype dtype = Dtype::f32;

  [[nodiscard]] std::int64_t size() const { return std::int64_t{n} * hw * c; }
  [[nodiscard]] std::string text() const;
};

/// Squeeze-and-excite over (N,H,W,C): every channel's mean, a dense layer of it to K numbers with ReLU, one of those
/// back to C with a hard sigmoid, and each pixel scaled by that. A call for all of it stands for six others.
struct SqueezeExciteProblem {
  int n = 1, c = 1, h = 1, w = 1;
  int k = 1;  ///< squeezed channels
  Dtype dtype = Dtype::f32;

  [[nodiscard]] std::int64_t size() const { return std::int64_t{n} * h * w * c; }
  // What it stands for, in their order; behind the convolutions an activation.
  [[nodiscard]] PoolProblem pool() const;
  [[nodiscard]] ConvProblem reduce() const;
  [[nodiscard]] ConvProblem expand() const;
  [[nodiscard]] ScaleProblem scale() const;
  /// Multiplications and additions of the two layers.
  [[nodiscard]] double flops() const { return reduce().flops() + expand().flops(); }
  /// Least bytes moved: x is read for its mean and again to be scaled.
  [[nodiscard]] double bytes() const;
  /// `squeeze_excite_n32c960h7w7k240:bf16`
  [[nodiscard]] std::string text() const;
};

/// Pixels (N,HW,3) RGB in 0..255 -> (x + offset[c]) * scale, channels reversed to BGR where asked.
struct PreprocessProblem {
  int n = 1, hw = 1;
  bool bgr = false;
  double scale = 1.0;
  double offset[3] = {0, 0, 0};  ///< in output channel order, added before scaling
  Dtype input = Dtype::f32;      ///< f32, u8 or f64
  Dtype output = Dtype::f32;
};

}  // namespace thaw
