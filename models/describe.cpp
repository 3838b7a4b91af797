#include "models/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace thaw {

namespace {

LayerDescription describe_row(const LayerInfo& row, std::size_t index, bool unfrozen) {
  LayerDescription out{.index = index,
                       .name = row.name,
                       .type = row.type,
                       .output = row.output,
                       .block = row.block,
                       .head = row.head,
                       .flops = row.flops};
  for (const Parameter* parameter : row.parameters) {
    out.params += parameter->count();
    out.trainable_params += parameter->trainable() ? parameter->count() : 0;
  }
  out.frozen = row.parameters.empty() ? !unfrozen : out.trainable_params == 0;
  return out;
}

void describe_cut(const Network& network, Description& out) {
  out.stages = network.stages.size();
  out.cut_index = network.cut();
  if (out.cut_index < out.stages) out.cut = network.stages[out.cut_index].name;
  Context step;
  step.training = true;
  for (const Stage& stage : network.stages) {
    out.norms_on_batch_statistics +=
        static_cast<std::size_t>(std::count_if(stage.norms.begin(), stage.norms.end(),
                                               [&step](const BatchNorm* n) { return n->uses_batch_statistics(step); }));
  }
  // Stages and blocks have the same names, except that the head's two stages share a block.
  std::vector<std::string> before;
  for (std::size_t i = 0; i < out.cut_index; ++i) before.push_back(network.stages[i].name);
  for (const LayerDescription& layer : out.layers) {
    if (std::find(before.begin(), before.end(), layer.block) != before.end()) out.frozen_flops += layer.flops;
  }
}

std::string_view bn_explanation(NormMode mode) {
  switch (mode) {
    case NormMode::train: return "unfrozen norms use and move batch statistics; gamma and beta train";
    case NormMode::inference: return "running statistics everywhere; gamma and beta of unfrozen norms train";
    case NormMode::frozen_affine: return "norms stay as they were, also in the unfrozen part";
  }
  return "";
}

nlohmann::json json_row(const LayerDescription& layer) {
  return {{"index", layer.index},
          {"name", layer.name},
          {"type", layer.type},
          {"output_shape", layer.output.to_vector()},
          {"block", layer.block},
          {"params", layer.params},
          {"trainable_params", layer.trainable_params},
          {"frozen", layer.frozen},
          {"head", layer.head},
          {"flops", layer.flops}};
}

/// 1234567 -> "1,234,567".
std::string grouped(std::int64_t value) {
  std::string digits = fmt::format("{}", value);
  for (std::ptrdiff_t i = std::ssize(digits) - 3; i > 0; i -= 3) digits.insert(static_cast<std::size_t>(i), 1, ',');
  return digits;
}

std::string output_text(const Shape& shape) {
  std::string text;
  for (int axis = 0; axis < shape.rank(); ++axis) text += fmt::format("{}{}", axis == 0 ? "" : "x", shape[axis]);
  return text;
}

}  // namespace

Description describe(const Network& network, const Selection& selection, const SelectorOptions& options) {
  Description out{.model = network.id,
                  .size = network.size,
                  .selector = selection.text,
                  .norm_mode = network.norm_mode(),
                  .keras_rescaling = options.keras_rescaling};
  const std::vector<LayerInfo>& rows = network.layers.rows();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].type == "Rescaling" && !options.keras_rescaling) continue;
    const LayerDescription layer = describe_row(rows[i], out.layers.size(), selection.unfrozen.at(i));
    if (layer.trainable_params > 0 && !out.first_trainable) out.first_trainable = layer.index;
    (layer.head ? out.head_params : out.base_params) += layer.params;
    (layer.head ? out.head_trainable_params : out.base_trainable_params) += layer.trainable_params;
    out.base_layers += layer.head ? 0 : 1;
    out.flops += layer.flops;
    out.layers.push_back(layer);
  }
  describe_cut(network, out);
  return out;
}

nlohmann::json to_json(const Description& d) {
  nlohmann::json layers = nlohmann::json::array();
  std::transform(d.layers.begin(), d.layers.end(), std::back_inserter(layers), json_row);
  nlohmann::json out = {{"model", d.model},
                        {"size", d.size},
                        {"selector", d.selector},
                        {"bn", name_of(d.norm_mode)},
                        {"keras_rescaling", d.keras_rescaling},
                        {"layers", std::move(layers)},
                        {"base_layers", d.base_layers},
                        {"base_params", d.base_params},
                        {"base_trainable_params", d.base_trainable_params},
                        {"head_params", d.head_params},
                        {"head_trainable_params", d.head_trainable_params},
                        {"params", d.base_params + d.head_params},
                        {"trainable_params", d.base_trainable_params + d.head_trainable_params},
                        {"flops", d.flops},
                        {"frozen_flops", d.frozen_flops},
                        {"norms_on_batch_statistics", d.norms_on_batch_statistics},
                        {"first_trainable_layer", nullptr},
                        {"first_trainable_index", nullptr},
                        {"cut", nullptr},
                        {"cut_index", d.cut_index},
                        {"stages", d.stages}};
  if (d.first_trainable) {
    out["first_trainable_layer"] = d.layers[*d.first_trainable].name;
    out["first_trainable_index"] = *d.first_trainable;
  }
  if (!d.cut.empty()) out["cut"] = d.cut;
  return out;
}

std::string to_table(const Description& d) {
  std::size_t width = 5;
  for (const LayerDescription& layer : d.layers) width = std::max(width, layer.name.size());
  std::string text = fmt::format("{:>5}  {:<{}}  {:<22}  {:>13}  {:>11}  {:>11}  {:>9}  {:<12}  {}\n", "index", "layer",
                                 width, "type", "output", "parameters", "trainable", "MFLOP", "block", "state");
  const auto line = std::back_inserter(text);
  for (const LayerDescription& layer : d.layers) {
    fmt::format_to(line, "{:>5}  {:<{}}  {:<22}  {:>13}  {:>11}  {:>11}  {:>9.2f}  {:<12}  {}\n", layer.index,
                   layer.name, width, layer.type, output_text(layer.output), grouped(layer.params),
                   grouped(layer.trainable_params), layer.flops / 1e6, layer.block,
                   layer.frozen ? "frozen" : "unfrozen");
  }
  fmt::format_to(line, "\n{} at {}x{}: {} layers of the base, {} of the head\n", d.model, d.size, d.size, d.base_layers,
                 d.layers.size() - d.base_layers);
  fmt::format_to(line, "selector         {}\n", d.selector);
  fmt::format_to(line, "batch norm       {}: {} ({} norms on batch statistics)\n", name_of(d.norm_mode),
                 bn_explanation(d.norm_mode), d.norms_on_batch_statistics);
  fmt::format_to(line, "parameters       {} base, {} head\n", grouped(d.base_params), grouped(d.head_params));
  fmt::format_to(line, "trainable        {} base, {} head\n", grouped(d.base_trainable_params),
                 grouped(d.head_trainable_params));
  if (d.first_trainable) {
    fmt::format_to(line, "first trainable  {} {}\n", *d.first_trainable, d.layers[*d.first_trainable].name);
  } else {
    fmt::format_to(line, "first trainable  none: nothing trains\n");
  }
  fmt::format_to(line, "cut              {} (stage {} of {}); everything before is computed once an image\n",
                 d.cut.empty() ? "behind the last stage" : d.cut, d.cut_index, d.stages);
  fmt::format_to(line, "forward pass     {:.1f} MFLOP an image, {:.1f} of them before the cut\n", d.flops / 1e6,
                 d.frozen_flops / 1e6);
  return text;
}

}  // namespace thaw
