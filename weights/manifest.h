#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace thaw {

/// A weight file that is known by its content.
struct KnownFile {
  std::string_view file_name;
  std::string_view md5;       ///< as Keras pins it
  std::string_view model_id;  ///< thaw's name of the network, with a suffix where thaw has no such variant
  bool include_top = false;
  std::string_view trap;    ///< why thaw refuses it and what to use instead; empty for a good file
  std::uint64_t bytes = 0;  ///< as public download logs show it; 0: not known
};

/// The official files of keras.applications for ResNet50 and MobileNetV3, and the older ones that are easily mistaken
/// for them. Source: the WEIGHTS_HASHES tables of keras/src/applications/{resnet,mobilenet_v3}.py and, for the old
/// files, those of fchollet/deep-learning-models v0.2 and TensorFlow 2.7.
std::span<const KnownFile> known_files();

/// The entry with this MD5, or null.
const KnownFile* known_file_by_md5(std::string_view md5);

/// The good entry with this base name, or null. A file that has the name but not its MD5 is damaged, changed, or old.
const KnownFile* known_file_by_name(std::string_view file_name);

/// The good entry of a network, or null where thaw knows no such network.
const KnownFile* known_file_of_model(std::string_view model_id, bool include_top);

/// The download address of a good entry, empty for others.
std::string download_url(const KnownFile& file);

/// Names the network that a Keras file with so many weighted layers is likely to be, e.g. "mobilenet_v3_small" for 86;
/// empty if none is known.
std::string_view model_with_weighted_layers(std::size_t count);

}  // namespace thaw
