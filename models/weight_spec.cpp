#include "models/weight_spec.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/error.h"

namespace thaw {

namespace {

bool belongs(const LayerInfo& row, WeightPart part) {
  return !row.parameters.empty() && (part == WeightPart::all || row.head == (part == WeightPart::head));
}

TensorSpec tensor_spec(const LayerInfo& row, const Parameter& parameter) {
  const std::vector<std::int64_t> s = parameter.shape().to_vector();
  if (!parameter.name().ends_with("/kernel")) return {parameter.name(), TensorKind::vector, s, ""};
  if (row.type == "Dense") return {parameter.name(), TensorKind::dense_kernel, {s[1], s[0]}, ""};
  if (row.type == "DepthwiseConv2D") {
    return {parameter.name(), TensorKind::depthwise_kernel, {s[0], s[1], s[2], 1}, ""};
  }
  return {parameter.name(), TensorKind::conv_kernel, {s[1], s[2], s[3], s[0]}, ""};
}

/// The parameters of a part in Keras' order.
std::vector<Parameter*> parameters_of(const Network& network, WeightPart part) {
  std::vector<Parameter*> all;
  for (const LayerInfo& row : network.layers.rows()) {
    if (belongs(row, part)) all.insert(all.end(), row.parameters.begin(), row.parameters.end());
  }
  return all;
}

std::string label_of(const WeightSet& weights) {
  return weights.source.empty() ? "the weights" : fmt::format("'{}'", weights.source);
}

}  // namespace

ModelSpec weight_spec(const Network& network, WeightPart part) {
  ModelSpec spec{.model_id = network.id, .layers = {}};
  for (const LayerInfo& row : network.layers.rows()) {
    if (!belongs(row, part)) continue;
    LayerSpec layer{.name = row.name, .h5_layer = "", .tensors = {}};
    for (const Parameter* parameter : row.parameters) layer.tensors.push_back(tensor_spec(row, *parameter));
    spec.layers.push_back(std::move(layer));
  }
  fill_h5_names(spec);
  return spec;
}

LoadedWeights load_weights(Network& network, const WeightSet& weights, bool head_too) {
  const std::string label = label_of(weights);
  if (!weights.model_id.empty() && weights.model_id != network.id) {
    fail(ErrorKind::data, "{} holds weights of {}, but the model is {}; choose the weights of {}", label,
         weights.model_id, network.id, network.id);
  }
  require_tensors(weights, weight_spec(network), label);

  LoadedWeights loaded;
  std::vector<Parameter*> wanted = parameters_of(network, WeightPart::base);
  loaded.base_tensors = wanted.size();
  for (Parameter* parameter : parameters_of(network, WeightPart::head)) {
    const NamedTensor* found = weights.find(parameter->name());
    const bool fits = found != nullptr && found->shape == parameter->shape().to_vector();
    (fits ? loaded.head_found : loaded.head_missing).push_back(parameter->name());
    if (!fits && head_too) {
      fail(ErrorKind::data, "{}: the head's tensor '{}' of shape {} {}; give weights that were trained with this head",
           label, parameter->name(), parameter->shape().text(),
           found == nullptr ? "is missing" : fmt::format("has shape {} there", shape_text(found->shape)));
    }
    if (head_too) wanted.push_back(parameter);
  }
  for (const Parameter* parameter : wanted) {
    const NamedTensor* tensor = weights.find(parameter->name());
    if (static_cast<std::int64_t>(tensor->data.size()) != parameter->count()) {
      fail(ErrorKind::data, "{}: tensor '{}' of shape {} holds {} values instead of {}", label, parameter->name(),
           parameter->shape().text(), tensor->data.size(), parameter->count());
    }
  }
  for (Parameter* parameter : wanted) parameter->assign(weights.find(parameter->name())->data);
  return loaded;
}

WeightSet collect_weights(const Network& network, WeightPart part) {
  WeightSet set;
  set.model_id = network.id;
  set.source = "thaw";
  for (const Parameter* parameter : parameters_of(network, part)) {
    set.tensors.push_back({parameter->name(), parameter->shape().to_vector(), parameter->value().to_floats()});
  }
  return set;
}

}  // namespace thaw
