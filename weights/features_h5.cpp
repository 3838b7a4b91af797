#include "weights/features_h5.h"

#include <array>
#include <cstdint>

#include "kernels/error.h"
#include "weights/h5_writer.h"

namespace thaw {

void write_features(const std::filesystem::path& path, std::span<const float> features, std::size_t n, std::size_t c,
                    std::span<const std::string> paths) {
  if (n == 0 || c == 0 || features.size() != n * c || paths.size() != n) {
    fail(ErrorKind::failed, "[features] ({},{}) features need {} values and {} paths, {} and {} were given", n, c,
         n * c, n, features.size(), paths.size());
  }
  const std::array shape{static_cast<std::int64_t>(n), static_cast<std::int64_t>(c)};
  h5::Writer file(path);
  file.tensor("features", shape, features);
  file.text_array("paths", paths);
  file.commit();
}

}  // namespace thaw
