#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "weights/h5_reader.h"
#include "weights/spec.h"

namespace thaw {

/// A layer as Keras' legacy file lists it.
struct KerasLayer {
  std::string name;
  std::vector<std::string> weights;  ///< empty for a layer without weights
};

/// The table of contents of a legacy Keras file.
struct KerasLayout {
  std::string root;  ///< "" or "model_weights", the group that holds the layers
  std::string backend;
  std::string keras_version;
  std::vector<KerasLayer> layers;  ///< in `layer_names` order, those without weights included

  [[nodiscard]] std::vector<const KerasLayer*> weighted() const;
  /// Where a weight lies in the file: names contain '/', so that the path doubles up (`conv/conv/kernel:0`).
  [[nodiscard]] std::string path(const KerasLayer& layer, const std::string& weight) const;
};

/// True if the file has Keras' `layer_names`, at its root or in `model_weights` (a whole saved model).
bool is_keras_layout(const h5::Reader& file);

/// Reads the table of contents. Throws `Error` (data) for a file of another layout.
KerasLayout read_keras_layout(const h5::Reader& file);

/// Which layer of a file feeds which layer of the model, by position in `ModelSpec::layers`.
struct LayerMatch {
  std::vector<const KerasLayer*> layers;
  bool by_order = false;  ///< some names were unknown, so that the order of the layers decided
};

/// Matches by name and checks that the order agrees; where the file has the right number of layers but unknown names,
/// falls back to the order as Keras does. Refuses ResNet50 files of before 2019, the no_top files of TensorFlow 2.7 and
/// older, files with other layers, and files whose order contradicts their names. Throws `Error` (data) beginning with
/// `label`.
LayerMatch match_layers(const KerasLayout& layout, const ModelSpec& spec, std::string_view label);

/// The file layer's weights in the order of `layer.tensors`, which is Keras'. The last part of each name (kernel, bias,
/// gamma, ...) must agree where it is known. Throws `Error` (data) on other counts or contradicting names.
std::vector<std::string> match_weights(const KerasLayer& found, const LayerSpec& layer, std::string_view label);

}  // namespace thaw
