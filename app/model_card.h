#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/zoo.h"
#include "weights/store.h"
#include "weights/thaw_h5.h"

namespace thaw {

/// What a weight file of ours says about its network, so that `eval`, `predict` and `features` need nothing else. Kept
/// as JSON under the metadata key "model_card".
struct ModelCard {
  std::string model;
  int size = 0;  ///< of the input in pixels; 0: the file does not say
  std::vector<int> hidden = {};
  double dropout = 0;
  std::vector<std::string> class_names = {};  ///< empty: no classifier
  std::string split = {};                     ///< that the photos were divided by
  nlohmann::json training = {};               ///< the settings that made these weights, and their epoch

  [[nodiscard]] HeadOptions head() const;
  [[nodiscard]] Metadata metadata() const;
};

/// What a weight file says of itself: all of it for files that `thaw train` wrote, only the model for other files of
/// ours and for files of keras.applications that are known by their digest, nothing (an empty `model`) for the rest.
/// Throws `Error` (data) for what is no HDF5 file.
ModelCard read_model_card(const std::filesystem::path& path);

/// Names of classes that `thaw data synth` drew: no result on those may pass for one on real photos.
bool are_drawn(const std::vector<std::string>& class_names);
inline constexpr const char* kDrawnNotice = "DRAWN PHOTOS, not TF Flowers: these figures say nothing about real photos";

}  // namespace thaw
