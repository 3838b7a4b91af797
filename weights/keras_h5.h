#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "weights/spec.h"
#include "weights/store.h"

namespace thaw {

/// Reads a Keras weight file of the legacy layout (`model.save_weights("x.h5")`, the files of keras.applications), or
/// the `model_weights` of a whole saved model, into thaw's tensor layout. Empty h5 names of `spec` are filled by the
/// naming rules. Layers are found by name and checked against the order, all shapes are checked; see `match_layers`
/// for what is refused. The file is untrusted input, see `h5::Reader`.
/// Throws `Error` (data) naming the file, what was expected and what was found.
WeightSet read_keras_h5(const std::filesystem::path& path, const ModelSpec& spec);

struct KerasWriteOptions {
  /// All layer names in `model.layers` order, those without weights too; weighted ones by their Keras 3 or their h5
  /// name. Empty: only the layers with weights are listed, which Keras loads just as well.
  std::vector<std::string> layer_names;
  std::string backend = "tensorflow";
  std::string keras_version = "2.6.0";
};

/// Writes the tensors of `spec` as a Keras weight file of the legacy layout, which a keras.applications model loads
/// with `load_weights`; what `read_keras_h5` read comes out bit by bit. Returns the names of tensors of `set` that are
/// not in `spec` (a head) and were therefore left out.
/// Throws `Error` (data) if `set` does not fit `spec`, (usage) if `layer_names` does not, (failed) if writing fails.
std::vector<std::string> write_keras_h5(const std::filesystem::path& path, const ModelSpec& spec, const WeightSet& set,
                                        const KerasWriteOptions& options = {});

}  // namespace thaw
