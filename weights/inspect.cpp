#include "weights/inspect.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "kernels/digest.h"
#include "kernels/error.h"
#include "weights/h5_reader.h"
#include "weights/keras_layout.h"
#include "weights/manifest.h"
#include "weights/rehearsal.h"
#include "weights/thaw_h5.h"

namespace thaw {
namespace {

using nlohmann::json;

struct Statistics {
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  double mean = 0.0;  // of the finite values
  std::size_t nonfinite = 0;
};

Statistics statistics(std::span<const float> values) {
  Statistics result;
  double sum = 0.0;
  for (const float value : values) {
    if (!std::isfinite(value)) {
      ++result.nonfinite;
      continue;
    }
    result.min = std::min(result.min, static_cast<double>(value));
    result.max = std::max(result.max, static_cast<double>(value));
    sum += static_cast<double>(value);
  }
  result.mean = sum / static_cast<double>(values.size() - result.nonfinite);
  return result;
}

json tensor_row(const std::string& layer, const std::string& name, std::span<const std::int64_t> shape,
                std::span<const float> values) {
  const Statistics s = statistics(values);
  return {{"layer", h5::printable(layer)},
          {"name", h5::printable(name)},
          {"shape", shape},
          {"min", s.min},
          {"max", s.max},
          {"mean", s.mean},
          {"nonfinite", s.nonfinite}};
}

json printable_texts(const std::map<std::string, std::string>& texts) {
  json result = json::object();
  for (const auto& [key, value] : texts) result[h5::printable(key)] = h5::printable(value, 4096);
  return result;
}

json inspect_keras(h5::Reader& file) {
  const KerasLayout layout = read_keras_layout(file);
  json tensors = json::array();
  std::size_t parameters = 0;
  const auto weighted = layout.weighted();
  for (const KerasLayer* layer : weighted) {
    for (const std::string& weight : layer->weights) {
      const h5::FileTensor tensor = file.tensor(layout.path(*layer, weight));
      parameters += tensor.data.size();
      tensors.push_back(tensor_row(layer->name, weight, tensor.shape, tensor.data));
    }
  }
  return {{"format", "keras"},
          {"attributes", printable_texts(file.texts(layout.root))},
          {"layers", {{"all", layout.layers.size()}, {"weighted", weighted.size()}}},
          {"parameters", parameters},
          {"tensors", std::move(tensors)}};
}

json inspect_thaw(const std::filesystem::path& path) {
  Metadata metadata;
  const WeightSet set = read_thaw_h5(path, &metadata);
  json tensors = json::array();
  std::size_t parameters = 0;
  for (const NamedTensor& tensor : set.tensors) {
    parameters += tensor.data.size();
    const std::string layer = tensor.name.substr(0, tensor.name.rfind('/'));
    tensors.push_back(tensor_row(layer, tensor.name, tensor.shape, tensor.data));
  }
  return {{"format", "thaw"},
          {"attributes", printable_texts(h5::Reader(path).texts(""))},
          {"metadata", printable_texts(metadata)},
          {"parameters", parameters},
          {"tensors", std::move(tensors)}};
}

}  // namespace

json inspect(const std::filesystem::path& path) {
  const auto look_into_keras = [&] {
    h5::Reader file(path);
    return inspect_keras(file);
  };
  json report;
  if (is_thaw_h5(path)) {
    report = inspect_thaw(path);
  } else {
    rehearse(path, look_into_keras);
    report = look_into_keras();
  }
  const std::string md5 = md5_file(path);
  report["path"] = path.string();
  report["bytes"] = std::filesystem::file_size(path);
  report["md5"] = md5;
  report["sha256"] = sha256_file(path);
  const KnownFile* known = known_file_by_md5(md5);
  report["known_as"] = known == nullptr ? json(nullptr) : json(known->file_name);
  if (known != nullptr && !known->trap.empty()) report["trap"] = known->trap;
  return report;
}

}  // namespace thaw
