#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weights/spec.h"

namespace thaw {

/// A named float tensor in thaw's layout (see `TensorKind`), row-major.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> data;
};

/// The weights of one model, with where they came from.
struct WeightSet {
  std::string model_id;
  std::string source;         ///< where the values came from: a file's name, or "synthetic"
  std::string source_sha256;  ///< SHA-256 of that file, empty where there was none
  std::vector<NamedTensor> tensors;
  std::vector<std::string> notes;  ///< what a reader should tell the user, e.g. that layers were matched by order

  /// The tensor called `name`, or null.
  [[nodiscard]] const NamedTensor* find(std::string_view name) const;
};

/// Checks that `set` holds every tensor of `spec` with its native shape; more tensors (a head) are allowed.
/// Throws `Error` (data) beginning with `label` and naming what is missing or has another shape.
void require_tensors(const WeightSet& set, const ModelSpec& spec, std::string_view label);

}  // namespace thaw
