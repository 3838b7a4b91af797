#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/ops.h"
#include "framework/parameter.h"

namespace thaw {

/// One row of Keras' `model.layers`: what `describe` prints, selectors count and traces are compared by.
struct LayerInfo {
  std::string name;
  std::string type;                         ///< Keras' class name
  Shape output;                             ///< without the batch axis: (H,W,C) or (C)
  std::vector<Parameter*> parameters = {};  ///< in Keras' order: trainable, then statistics
  double flops = 0;        ///< of one image forward, multiplications and additions of convs and dense layers
  std::string block = {};  ///< "stem", "conv5_block3", "block_12", "tail", "head"
  bool head = false;
};

/// Collects rows; numbers the layers that Keras names by itself (`activation`, `activation_1`, ...).
class LayerList {
 public:
  void set_block(std::string block, bool head = false);
  void add(LayerInfo info);
  [[nodiscard]] const std::vector<LayerInfo>& rows() const { return rows_; }

 private:
  std::string block_ = "stem";
  bool head_ = false;
  std::vector<LayerInfo> rows_;
};

/// Keras' automatic layer names: `re_lu`, `re_lu_1`, ... counted per kind, one counter a model.
class AutoNames {
 public:
  std::string next(const std::string& kind);

 private:
  std::map<std::string, int> counts_;
};

/// How a norm behaves in training (chosen per experiment, printed, saved):
/// `train`: Keras' default, an unfrozen norm uses batch statistics and moves the running ones, gamma and beta train;
/// `inference`: as base(x, training=False), running statistics everywhere, gamma and beta of unfrozen norms train;
/// `frozen_affine`: norms stay entirely as they were, also inside the unfrozen part.
enum class NormMode : std::uint8_t { train, inference, frozen_affine };
std::string_view name_of(NormMode mode);  ///< "train", "inference", "frozen-affine"
/// Throws `Error` (usage) naming the three modes.
NormMode parse_norm_mode(std::string_view text);

enum class Padding : std::uint8_t { valid, same, fixed };

struct ConvConfig {
  Shape input;  ///< (H,W,C) of one image
  int filters = 1;
  int kernel = 1;
  int stride = 1;
  Padding padding = Padding::same;  ///< `same` is TensorFlow's, asymmetric where it must be
  Pad pad = {};                     ///< with Padding::fixed
  std::string pad_name = {};        ///< name of an explicit ZeroPadding2D row in front, where Keras has one
  bool bias = false;
  bool depthwise = false;
};

/// Conv2D or DepthwiseConv2D: kernel (K,R,S,C) or (R,S,C), glorot-uniform; bias zeros.
struct Conv2D {
  Conv2D(const Scope& scope, const ConvConfig& config);
  Var operator()(Context& ctx, const Var& x) const;
  void list(LayerList& rows) const;  ///< the padding row, where there is one, and the convolution's
  [[nodiscard]] Shape output() const;
  [[nodiscard]] ConvOptions options() const;

  std::string name;
  ConvConfig config;
  Parameter* kernel = nullptr;
  Parameter* bias = nullptr;
};

struct NormConfig {
  double epsilon = 1e-3;
  double momentum = 0.99;
};

/// BatchNormalization over channels, with Keras' rule: batch statistics only in training, in mode `train`, and while
/// gamma and beta are not frozen. A frozen norm uses its running statistics and never moves them.
struct BatchNorm {
  BatchNorm(const Scope& scope, const Shape& shape, const NormConfig& config);
  Var operator()(Context& ctx, const Var& x, const Var& residual = {}, Act act = Act::linear) const;
  [[nodiscard]] bool uses_batch_statistics(const Context& ctx) const;
  void list(LayerList& rows) const;

  std::string name;
  Shape shape;
  NormConfig config;
  NormMode mode = NormMode::train;
  Parameter* gamma = nullptr;
  Parameter* beta = nullptr;
  Parameter* moving_mean = nullptr;
  Parameter* moving_variance = nullptr;
};

/// Dense: kernel (out,in), glorot-uniform, bias zeros; computes in the dtype of its input.
struct Dense {
  Dense(const Scope& scope, int in, int out);
  Var operator()(Context& ctx, const Var& x, Act act = Act::linear) const;
  void list(LayerList& rows) const;

  std::string name;
  int in = 0, out = 0;
  Parameter* kernel = nullptr;
  Parameter* bias = nullptr;
};

/// Convolution -> batch norm (-> + residual) -> activation: the one place that knows fusion. Where nothing inside wants
/// a gradient and the norm does not use batch statistics, the norm is folded into the filter and all of it runs as one
/// backend call; otherwise the separate ops run, the norm taking activation and residual with it.
class ConvNorm {
 public:
  ConvNorm(const Scope& conv_scope, const ConvConfig& conv, const Scope& norm_scope, const NormConfig& norm, Act act,
           std::string act_name, std::string add_name = {});
  Var operator()(Context& ctx, const Var& x, const Var& residual = {}) const;

  /// Whether a call with these inputs would run folded and fused.
  [[nodiscard]] bool runs_fused(const Context& ctx, const Var& x, const Var& residual) const;
  void list(LayerList& rows) const;       ///< conv, norm, then `list_tail`
  void list_tail(LayerList& rows) const;  ///< the Add row and the activation's row, where they have names
  [[nodiscard]] Shape output() const { return conv.output(); }

  Conv2D conv;
  BatchNorm norm;
  Act act;
  std::string act_name;
  std::string add_name;

 private:
  struct Folded {
    std::uint64_t version = 0;
    Dtype dtype = Dtype::f32;
    std::shared_ptr<const PackedConv> packed;
  };
  [[nodiscard]] Var run_fused(Context& ctx, const Var& x, const Var& residual) const;
  [[nodiscard]] Var run_observed(Context& ctx, const Var& x, const Var& residual) const;
  [[nodiscard]] std::uint64_t version() const;

  mutable Folded folded_;  // a cache of a pure function of the parameters
};

/// Squeeze-and-excite: global average pool -> 1x1 conv + ReLU -> 1x1 conv + hard sigmoid -> channel-wise product. One
/// op, whose two convolutions are layers of their own for everything but the call.
struct SqueezeExcite {
  /// Keras lists relu6(x + 3), six times the gate, under `gate_name`.
  SqueezeExcite(const Scope& scope, const Shape& input, int squeezed, std::string gate_name);
  Var operator()(Context& ctx, const Var& x) const;
  void list(LayerList& rows) const;

  std::string name;
  Shape input;
  std::string gate_name;
  Conv2D reduce;
  Conv2D expand;
};

/// ResNet v1 bottleneck: 1x1 (with the stride), 3x3, 1x1 and the shortcut, every conv with bias and norm, ReLU last.
class Bottleneck {
 public:
  Bottleneck(const Scope& scope, const Shape& input, int filters, int stride, bool project, const NormConfig& norm);
  Var operator()(Context& ctx, const Var& x) const;
  void list(LayerList& rows) const;
  [[nodiscard]] Shape output() const { return third_.output(); }
  void collect(std::vector<BatchNorm*>& norms);

 private:
  ConvNorm first_;
  ConvNorm second_;
  std::optional<ConvNorm> shortcut_;
  ConvNorm third_;
};

struct InvertedResidualConfig {
  int expanded = 16;
  int filters = 16;
  int kernel = 3;
  int stride = 1;
  int squeezed = 0;  ///< channels of the squeeze; 0: no squeeze-excite
  Act act = Act::relu;
  bool expand = true;  ///< block 0 has no expansion
};

/// MobileNetV3 block: expand 1x1, depthwise, squeeze-excite, project 1x1, and the input added where shapes allow.
class InvertedResidual {
 public:
  InvertedResidual(const Scope& scope, const Shape& input, const InvertedResidualConfig& config, const NormConfig& norm,
                   AutoNames& names);
  Var operator()(Context& ctx, const Var& x) const;
  void list(LayerList& rows) const;
  [[nodiscard]] Shape output() const { return project_.output(); }
  void collect(std::vector<BatchNorm*>& norms);

 private:
  std::optional<ConvNorm> expand_;
  ConvNorm depthwise_;
  std::optional<SqueezeExcite> squeeze_;
  ConvNorm project_;
  bool residual_;
};

/// The row of an activation layer: Keras has a `ReLU` class of its own and `Activation` for the rest.
LayerInfo activation_row(const std::string& name, const Shape& output, bool relu_layer);

}  // namespace thaw
