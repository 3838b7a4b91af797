#include "weights/store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>

#include "kernels/error.h"

namespace thaw {

const NamedTensor* WeightSet::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

void require_tensors(const WeightSet& set, const ModelSpec& spec, std::string_view label) {
  std::unordered_map<std::string_view, const NamedTensor*> by_name;
  for (const NamedTensor& tensor : set.tensors) by_name.emplace(tensor.name, &tensor);

  std::vector<std::string> missing;
  for (const LayerSpec& layer : spec.layers) {
    for (const TensorSpec& wanted : layer.tensors) {
      const auto found = by_name.find(wanted.name);
      if (found == by_name.end()) {
        missing.push_back(wanted.name);
      } else if (const auto shape = native_shape(wanted); found->second->shape != shape) {
        fail(ErrorKind::data, "{}: tensor '{}' has shape {}, {} needs {}; these are another model's weights", label,
             wanted.name, shape_text(found->second->shape), spec.model_id, shape_text(shape));
      }
    }
  }
  if (missing.empty()) return;
  const std::size_t shown = std::min<std::size_t>(missing.size(), 5);
  fail(ErrorKind::data, "{}: {} tensors of {} are missing: {}{}; these are another model's weights, or a part of them",
       label, missing.size(), spec.model_id,
       fmt::join(missing.begin(), missing.begin() + static_cast<long>(shown), ", "),
       shown < missing.size() ? ", ..." : "");
}

}  // namespace thaw
