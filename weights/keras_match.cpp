// Which layer of a Keras file feeds which layer of the model (declared in weights/keras_layout.h).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <unordered_map>

#include "kernels/error.h"
#include "weights/keras_layout.h"
#include "weights/manifest.h"

namespace thaw {
namespace {

using Names = std::vector<std::string>;

/// "a, b, c, ... (12 in all)", safe to show.
std::string some_of(const Names& names) {
  Names shown;
  for (std::size_t i = 0; i < std::min<std::size_t>(5, names.size()); ++i) shown.push_back(h5::printable(names[i], 60));
  return fmt::format("{}{}", fmt::join(shown, ", "),
                     shown.size() < names.size() ? fmt::format(", ... ({} in all)", names.size()) : "");
}

/// res2a_branch2b, bn5c_branch1, bn_conv1: the names of ResNet50 before 2019.
bool is_old_resnet_name(std::string_view name) {
  if (name == "bn_conv1") return true;
  for (const std::string_view prefix : {"res", "bn"}) {
    if (!name.starts_with(prefix) || name.size() < prefix.size() + 2) continue;
    const char stage = name[prefix.size()];
    const char block = name[prefix.size() + 1];
    if (stage >= '2' && stage <= '5' && block >= 'a' && block <= 'z' &&
        name.find("_branch") != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

void refuse_old_resnet(const std::vector<const KerasLayer*>& found, std::string_view label) {
  const auto old = std::find_if(found.begin(), found.end(), [](const auto* l) { return is_old_resnet_name(l->name); });
  if (old == found.end()) return;
  fail(
      ErrorKind::data,
      "{} has a layer '{}': it is a ResNet50 file of before 2019, whose order and batch norm epsilon (1e-3) differ, so "
      "that it would load wrong; use resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5 from "
      "storage.googleapis.com/tensorflow/keras-applications/resnet",
      label, h5::printable((*old)->name));
}

/// What differs between the names of the file and of the model.
struct Difference {
  Names missing;  // layers of the model that the file has not
  Names extra;    // weighted layers of the file that the model has not
};

[[noreturn]] void fail_layers(const Difference& difference, std::size_t found, const ModelSpec& spec,
                              std::string_view label) {
  const auto has_extra = [&](std::string_view name) {
    return std::find(difference.extra.begin(), difference.extra.end(), name) != difference.extra.end();
  };
  std::string why;
  if (difference.missing.empty() && difference.extra.size() == 1 && (has_extra("Conv_2") || has_extra("conv_2"))) {
    why = "it is a no_top file of TensorFlow 2.7 or older; use the one whose name ends in _no_top_v2.h5";
  } else if (difference.missing.empty() && (has_extra("predictions") || has_extra("Logits") || has_extra("logits"))) {
    why = "it holds the ImageNet classifier too; use the file without top (notop, no_top_v2), or a model with its top";
  } else if (const std::string_view guess = model_with_weighted_layers(found); !guess.empty()) {
    why = guess == spec.model_id ? "it has that many, but other ones" : fmt::format("it looks like {}", guess);
  } else {
    why = "it belongs to another model";
  }
  std::string lists;
  if (!difference.missing.empty()) lists += fmt::format("; missing: {}", some_of(difference.missing));
  if (!difference.extra.empty()) lists += fmt::format("; not in the model: {}", some_of(difference.extra));
  fail(ErrorKind::data, "{}: this file has {} weighted layers, {} has {}: {}{}", label, found, spec.model_id,
       spec.layers.size(), why, lists);
}

/// A weight's role, from the last part of its name: "Conv/BatchNorm/gamma:0" and "conv_bn/gamma" are "gamma".
std::optional<std::string_view> role_of(std::string_view weight) {
  constexpr std::array roles{std::string_view("kernel"),      std::string_view("bias"),
                             std::string_view("gamma"),       std::string_view("beta"),
                             std::string_view("moving_mean"), std::string_view("moving_variance")};
  weight.remove_prefix(weight.rfind('/') == std::string_view::npos ? 0 : weight.rfind('/') + 1);
  weight = weight.substr(0, weight.rfind(':'));
  if (weight == "depthwise_kernel") return roles[0];
  const auto* found = std::find(roles.begin(), roles.end(), weight);
  return found == roles.end() ? std::nullopt : std::optional(*found);
}

/// Every layer that was found by name must lie where the order puts it.
void check_order(const std::vector<const KerasLayer*>& found, const LayerMatch& match, const ModelSpec& spec,
                 std::string_view label) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (match.layers[i] == nullptr || match.layers[i] == found[i]) continue;
    fail(
        ErrorKind::data,
        "{}: its weighted layer number {} is '{}' where {} has '{}'; names and order contradict each other, and Keras, "
        "which goes by order, would load it differently: save it again from a {} model",
        label, i + 1, h5::printable(found[i]->name), spec.model_id, spec.layers[i].name, spec.model_id);
  }
}

}  // namespace

LayerMatch match_layers(const KerasLayout& layout, const ModelSpec& spec, std::string_view label) {
  const std::vector<const KerasLayer*> found = layout.weighted();
  if (found.empty()) fail(ErrorKind::data, "{} lists no layer with weights", label);
  if (spec.model_id.starts_with("resnet")) refuse_old_resnet(found, label);

  std::unordered_map<std::string_view, const KerasLayer*> by_name;
  for (const KerasLayer* layer : found) {
    if (!by_name.emplace(layer->name, layer).second) {
      fail(ErrorKind::data, "{} lists the layer '{}' twice", label, h5::printable(layer->name));
    }
  }
  LayerMatch match;
  Difference difference;
  std::set<const KerasLayer*> used;
  for (const LayerSpec& layer : spec.layers) {
    auto entry = by_name.find(layer.h5_layer);
    if (entry == by_name.end()) entry = by_name.find(layer.name);
    match.layers.push_back(entry == by_name.end() ? nullptr : entry->second);
    if (match.layers.back() == nullptr) {
      difference.missing.push_back(layer.name);
    } else {
      used.insert(match.layers.back());
    }
  }
  for (const KerasLayer* layer : found) {
    if (!used.contains(layer)) difference.extra.push_back(layer->name);
  }
  if (found.size() != spec.layers.size()) fail_layers(difference, found.size(), spec, label);
  check_order(found, match, spec, label);
  if (difference.missing.empty()) return match;
  return {found, true};
}

std::vector<std::string> match_weights(const KerasLayer& found, const LayerSpec& layer, std::string_view label) {
  if (found.weights.size() != layer.tensors.size()) {
    fail(ErrorKind::data, "{}: layer '{}' has {} weights, '{}' needs {}; these are another model's weights", label,
         h5::printable(found.name), found.weights.size(), layer.name, layer.tensors.size());
  }
  for (std::size_t i = 0; i < found.weights.size(); ++i) {
    const auto role = role_of(found.weights[i]);
    const auto wanted = role_of(layer.tensors[i].name);
    if (role && wanted && *role != *wanted) {
      fail(ErrorKind::data,
           "{}: weight {} of layer '{}' is '{}', expected its {}; the file belongs to another model or "
           "lists its weights in another order",
           label, i + 1, h5::printable(found.name), h5::printable(found.weights[i]), *wanted);
    }
  }
  return found.weights;
}

}  // namespace thaw
