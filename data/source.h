#pragma once

#include <cstdint>
#include <string_view>

namespace thaw {

/// The published archive of a photo set, known by its content.
struct PhotoArchive {
  std::string_view file_name;
  std::string_view url;
  std::uint64_t bytes = 0;
  std::string_view sha256;
};

/// TF Flowers as TensorFlow Datasets pins it (tf_flowers 3.0.1, checksums.tsv): 3,670 photos in five classes.
inline constexpr PhotoArchive tf_flowers = {
    "flower_photos.tgz", "http://download.tensorflow.org/example_images/flower_photos.tgz", 228'813'984,
    "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"};

}  // namespace thaw
