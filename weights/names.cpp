// The naming rules between Keras 3 and the tf.keras weight files (declared in weights/spec.h).
#include <array>
#include <optional>

#include "weights/spec.h"

namespace thaw {
namespace {

bool consume_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

bool is_block(std::string_view text) {
  constexpr std::string_view stem = "expanded_conv";
  if (text == stem) return true;
  if (!text.starts_with(stem) || text.size() < stem.size() + 2 || text[stem.size()] != '_') return false;
  return text.find_first_not_of("0123456789", stem.size() + 1) == std::string_view::npos;
}

struct Rename {
  std::string_view keras3;
  std::string_view h5;
};

// Longest suffix first: "_squeeze_excite_conv" is no suffix of "_squeeze_excite_conv_1", but order makes that plain.
constexpr std::array block_parts{
    Rename{"_squeeze_excite_conv_1", "/squeeze_excite/Conv_1"},
    Rename{"_squeeze_excite_conv", "/squeeze_excite/Conv"},
    Rename{"_expand", "/expand"},
    Rename{"_depthwise", "/depthwise"},
    Rename{"_project", "/project"},
};

constexpr std::array whole_names{Rename{"conv", "Conv"}, Rename{"conv_1", "Conv_1"}, Rename{"conv_2", "Conv_2"},
                                 Rename{"logits", "Logits"}};

/// The tf.keras name of a MobileNetV3 convolution (no batch norm suffix), or nothing.
std::optional<std::string> mobilenet_conv_name(std::string_view name) {
  for (const Rename& rename : whole_names) {
    if (name == rename.keras3) return std::string(rename.h5);
  }
  for (const Rename& part : block_parts) {
    std::string_view block = name;
    if (consume_suffix(block, part.keras3) && is_block(block)) return std::string(block).append(part.h5);
  }
  return std::nullopt;
}

}  // namespace

std::string h5_layer_name(std::string_view model_id, std::string_view keras3_layer_name) {
  if (!model_id.starts_with("mobilenet_v3")) return std::string(keras3_layer_name);
  std::string_view base = keras3_layer_name;
  const bool norm = consume_suffix(base, "_bn");
  const std::optional<std::string> conv = mobilenet_conv_name(base);
  if (!conv) return std::string(keras3_layer_name);
  return norm ? *conv + "/BatchNorm" : *conv;
}

std::string h5_weight_name(std::string_view h5_layer, std::string_view keras3_tensor_name, TensorKind kind) {
  const std::size_t slash = keras3_tensor_name.rfind('/');
  const std::string_view leaf =
      slash == std::string_view::npos ? keras3_tensor_name : keras3_tensor_name.substr(slash + 1);
  std::string name(h5_layer);
  name += '/';
  name += kind == TensorKind::depthwise_kernel ? std::string_view("depthwise_kernel") : leaf;
  return name += ":0";
}

void fill_h5_names(ModelSpec& spec) {
  for (LayerSpec& layer : spec.layers) {
    if (layer.h5_layer.empty()) layer.h5_layer = h5_layer_name(spec.model_id, layer.name);
    for (TensorSpec& tensor : layer.tensors) {
      if (tensor.h5_dataset.empty()) tensor.h5_dataset = h5_weight_name(layer.h5_layer, tensor.name, tensor.kind);
    }
  }
}

}  // namespace thaw
