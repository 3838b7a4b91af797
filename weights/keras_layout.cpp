#include "weights/keras_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/error.h"

namespace thaw {
namespace {

constexpr const char* model_group = "model_weights";

std::string joined(const std::string& group, const std::string& name) {
  return group.empty() ? name : group + "/" + name;
}

[[noreturn]] void fail_other_layout(const h5::Reader& file) {
  std::vector<std::string> members = file.children("");
  for (std::string& member : members) member = h5::printable(member, 30);
  if (members.size() > 6) members.resize(6);
  const bool keras3 = file.has("layers") || file.has("_layer_checkpoint_dependencies");
  fail(ErrorKind::data,
       "{} is an HDF5 file, but no Keras weight file: it has no attribute 'layer_names' (its root "
       "holds: {}){}",
       file.label(), members.empty() ? "nothing" : fmt::format("{}", fmt::join(members, ", ")),
       keras3 ? "; it looks like Keras 3's own .weights.h5 format: save it with a name that ends in .h5 only"
              : "; expected the .h5 of keras.applications or of thaw");
}

}  // namespace

std::vector<const KerasLayer*> KerasLayout::weighted() const {
  std::vector<const KerasLayer*> result;
  for (const KerasLayer& layer : layers) {
    if (!layer.weights.empty()) result.push_back(&layer);
  }
  return result;
}

std::string KerasLayout::path(const KerasLayer& layer, const std::string& weight) const {
  return joined(root, layer.name) + "/" + weight;
}

bool is_keras_layout(const h5::Reader& file) {
  return file.text_list("", "layer_names").has_value() ||
         (file.has(model_group) && file.text_list(model_group, "layer_names").has_value());
}

KerasLayout read_keras_layout(const h5::Reader& file) {
  KerasLayout layout;
  auto names = file.text_list("", "layer_names");
  if (!names && file.has(model_group)) {
    layout.root = model_group;
    names = file.text_list(model_group, "layer_names");
  }
  if (!names) fail_other_layout(file);
  layout.backend = file.text(layout.root, "backend").value_or("");
  layout.keras_version = file.text(layout.root, "keras_version").value_or("");
  std::size_t weights = 0;
  for (std::string& name : *names) {
    KerasLayer layer{std::move(name), {}};
    auto listed = file.text_list(joined(layout.root, layer.name), "weight_names");
    if (!listed) {
      fail(ErrorKind::data, "{}: layer '{}' has no attribute 'weight_names'; the file is damaged or incomplete",
           file.label(), h5::printable(layer.name));
    }
    layer.weights = std::move(*listed);
    weights += layer.weights.size();
    if (weights > h5::Limits{}.names) fail(ErrorKind::data, "{} lists more weights than any model has", file.label());
    layout.layers.push_back(std::move(layer));
  }
  return layout;
}

}  // namespace thaw
