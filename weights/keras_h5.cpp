#include "weights/keras_h5.h"

#include <fmt/format.h>

#include <set>
#include <unordered_map>
#include <unordered_set>

#include "kernels/digest.h"
#include "kernels/error.h"
#include "weights/h5_reader.h"
#include "weights/h5_writer.h"
#include "weights/keras_layout.h"
#include "weights/manifest.h"
#include "weights/rehearsal.h"

namespace thaw {
namespace {

ModelSpec with_h5_names(ModelSpec spec) {
  fill_h5_names(spec);
  return spec;
}

/// The names to list in the file: the caller's, with weighted layers under their h5 names.
std::vector<std::string> h5_layer_list(const ModelSpec& spec, const KerasWriteOptions& options) {
  std::unordered_map<std::string_view, std::size_t> positions;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    positions.emplace(spec.layers[i].name, i);
    positions.emplace(spec.layers[i].h5_layer, i);
  }
  std::vector<std::string> names;
  if (options.layer_names.empty()) {
    for (const LayerSpec& layer : spec.layers) names.push_back(layer.h5_layer);
    return names;
  }
  std::size_t next = 0;
  for (const std::string& name : options.layer_names) {
    const auto found = positions.find(name);
    if (found != positions.end() && found->second != next++) {
      fail(ErrorKind::usage, "[export] layer '{}' is listed out of {}'s order", name, spec.model_id);
    }
    names.push_back(found == positions.end() ? name : spec.layers[found->second].h5_layer);
  }
  if (next != spec.layers.size()) {
    fail(ErrorKind::usage, "[export] the layer list lacks '{}' of {}", spec.layers[next].name, spec.model_id);
  }
  if (std::set<std::string_view>(names.begin(), names.end()).size() != names.size()) {
    fail(ErrorKind::usage, "[export] the layer list of {} names a layer twice", spec.model_id);
  }
  return names;
}

void write_layer(h5::Writer& file, const LayerSpec& layer, const WeightSet& set) {
  std::vector<std::string> weights;
  for (const TensorSpec& tensor : layer.tensors) weights.push_back(tensor.h5_dataset);
  file.text_list(layer.h5_layer, "weight_names", weights);
  for (const TensorSpec& tensor : layer.tensors) {
    file.tensor(layer.h5_layer + "/" + tensor.h5_dataset, tensor.keras_shape,
                to_keras(tensor, set.find(tensor.name)->data));
  }
}

/// The tensors, with nothing known yet of the file's origin.
WeightSet read_tensors(h5::Reader& file, const ModelSpec& model) {
  const KerasLayout layout = read_keras_layout(file);
  const LayerMatch match = match_layers(layout, model, file.label());
  WeightSet set;
  set.model_id = model.model_id;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const LayerSpec& layer = model.layers[i];
    const std::vector<std::string> weights = match_weights(*match.layers[i], layer, file.label());
    for (std::size_t j = 0; j < weights.size(); ++j) {
      const TensorSpec& wanted = layer.tensors[j];
      const h5::FileTensor found = file.tensor(layout.path(*match.layers[i], weights[j]), wanted.keras_shape);
      set.tensors.push_back({wanted.name, native_shape(wanted), to_native(wanted, found.data)});
    }
  }
  if (match.by_order) {
    set.notes.push_back(
        fmt::format("some layer names of {} are not {}'s, so its layers were taken by their order, all shapes agreeing",
                    file.label(), model.model_id));
  }
  return set;
}

/// Known bad files are recognised before anything inside is believed: a trap's layers and shapes may well fit.
void refuse_trap(const std::filesystem::path& path) {
  const KnownFile* known = known_file_by_md5(md5_file(path));
  if (known == nullptr || known->trap.empty()) return;
  fail(ErrorKind::data, "'{}' cannot be used: {}", path.string(), known->trap);
}

}  // namespace

WeightSet read_keras_h5(const std::filesystem::path& path, const ModelSpec& spec) {
  const ModelSpec model = with_h5_names(spec);
  h5::check_signature(path);
  refuse_trap(path);
  const auto read = [&] {
    h5::Reader file(path);
    return read_tensors(file, model);
  };
  rehearse(path, read);
  WeightSet set = read();
  set.source = path.filename().string();
  set.source_sha256 = sha256_file(path);
  return set;
}

std::vector<std::string> write_keras_h5(const std::filesystem::path& path, const ModelSpec& spec, const WeightSet& set,
                                        const KerasWriteOptions& options) {
  const ModelSpec model = with_h5_names(spec);
  require_tensors(set, model, "[export] the weights");
  const std::vector<std::string> names = h5_layer_list(model, options);

  std::unordered_map<std::string_view, const LayerSpec*> weighted;
  std::unordered_set<std::string_view> written;
  for (const LayerSpec& layer : model.layers) {
    weighted.emplace(layer.h5_layer, &layer);
    for (const TensorSpec& tensor : layer.tensors) written.insert(tensor.name);
  }
  h5::Writer file(path);
  file.text_list("", "layer_names", names);
  file.text("", "backend", options.backend);
  file.text("", "keras_version", options.keras_version);
  for (const std::string& name : names) {
    file.group(name);
    if (const auto layer = weighted.find(name); layer != weighted.end()) {
      write_layer(file, *layer->second, set);
    } else {
      file.text_list(name, "weight_names", {});
    }
  }
  file.commit();

  std::vector<std::string> left_out;
  for (const NamedTensor& tensor : set.tensors) {
    if (!written.contains(tensor.name)) left_out.push_back(tensor.name);
  }
  return left_out;
}

}  // namespace thaw
