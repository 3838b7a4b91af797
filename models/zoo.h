#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framework/network.h"

namespace thaw {

/// What stands on top of the base.
struct HeadOptions {
  bool include_top = false;      ///< the ImageNet classifier of Keras (1000 classes) instead of a transfer head
  int classes = 0;               ///< transfer head: 0 means no head, the output is the base's feature map
  std::vector<int> hidden = {};  ///< widths of dense + ReLU layers between pooling and classifier
  double dropout = 0.0;          ///< in front of the classifier (and behind each hidden layer)
};

struct ModelOptions {
  int size = 224;  ///< input height and width, at least 32
  HeadOptions head = {};
  std::uint64_t seed = 0;     ///< of everything that starts random
  Dtype master = Dtype::f32;  ///< f64 on the reference backend
};

/// "resnet50", "mobilenet_v3_large", "mobilenet_v3_small".
const std::vector<std::string>& model_names();

/// Builds a model on a backend. Throws `Error` (usage) for an unknown name (naming the nearest and all) or size < 32.
std::unique_ptr<Network> build_model(std::string_view name, const std::shared_ptr<Backend>& backend,
                                     const ModelOptions& options);

}  // namespace thaw
