#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

/// What a weight tensor is, which decides how its axes are turned between Keras' layout and thaw's.
enum class TensorKind {
  conv_kernel,       ///< Keras (H,W,I,O), thaw (K,R,S,C) = (O,H,W,I)
  depthwise_kernel,  ///< Keras (H,W,C,1), thaw (R,S,C): the same elements in the same order
  dense_kernel,      ///< Keras (in,out), thaw (out,in)
  vector,            ///< (C): biases and the four vectors of a batch norm
};

/// One weight tensor of a model: its name, its shape in Keras' layout, and what Keras' file calls it.
struct TensorSpec {
  std::string name;  ///< Keras 3 name, e.g. "conv5_block3_3_conv/kernel", "expanded_conv_1_depthwise/kernel"
  TensorKind kind = TensorKind::vector;
  std::vector<std::int64_t> keras_shape;
  std::string h5_dataset;  ///< weight name in the official file, e.g. "expanded_conv/depthwise/depthwise_kernel:0"
};

/// A layer that has weights; its tensors are in Keras' order, trainable ones first.
struct LayerSpec {
  std::string name;      ///< Keras 3 layer name, e.g. "expanded_conv_1_depthwise_bn"
  std::string h5_layer;  ///< layer name in the official file, e.g. "expanded_conv_1/depthwise/BatchNorm"
  std::vector<TensorSpec> tensors;
};

/// The weighted layers of a model in Keras' `model.layers` order. Names are data here: this library knows no model.
struct ModelSpec {
  std::string model_id;  ///< "resnet50", "mobilenet_v3_large", "mobilenet_v3_small"
  std::vector<LayerSpec> layers;
};

/// The name that the official weight file gives to a Keras 3 layer. ResNet50's are equal; MobileNetV3's come from
/// tf.keras, where blocks and batch norms are path components: `expanded_conv_1_expand_bn` is
/// `expanded_conv_1/expand/BatchNorm`. A name outside the model's pattern (a head) is returned as it is.
std::string h5_layer_name(std::string_view model_id, std::string_view keras3_layer_name);

/// The weight name inside the layer's group: `<h5 layer>/<leaf>:0`, where the leaf is that of `keras3_tensor_name`
/// except that tf.keras calls a depthwise kernel `depthwise_kernel`.
std::string h5_weight_name(std::string_view h5_layer, std::string_view keras3_tensor_name, TensorKind kind);

/// Fills every empty `h5_layer` and `h5_dataset` of `spec` by the two rules above.
void fill_h5_names(ModelSpec& spec);

/// Product of the dimensions. Throws `Error` (data) for a negative dimension or a product beyond 2^62.
std::int64_t element_count(std::span<const std::int64_t> shape);

/// "(3,3,16,1)", as messages show a shape.
std::string shape_text(std::span<const std::int64_t> shape);

/// The tensor's shape in thaw's layout (see `TensorKind`). Throws `Error` (data) where the rank does not fit the kind.
std::vector<std::int64_t> native_shape(const TensorSpec& spec);

/// Turns elements in Keras order into thaw's order; bits are kept. Throws `Error` (data) on a wrong element count.
std::vector<float> to_native(const TensorSpec& spec, std::span<const float> keras_values);

/// The inverse of `to_native`.
std::vector<float> to_keras(const TensorSpec& spec, std::span<const float> native_values);

}  // namespace thaw
