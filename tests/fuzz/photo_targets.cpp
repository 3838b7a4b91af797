// What comes from strangers as photos: single files and archives.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "data/archive.h"
#include "data/image.h"
#include "tests/fuzz/targets.h"

namespace thaw::fuzz {
namespace fs = std::filesystem;

namespace {

// Large pictures meet no other code than small ones, only more of it.
constexpr std::int64_t max_pixels = 1 << 20;

void resize(const Image& image, const PixelBox& box, bool flip) {
  std::array<float, 7 * 5 * 3> out{};
  resize_bilinear(image, box, 7, 5, flip, out.data());
  require(std::all_of(out.begin(), out.end(), [](float v) { return v >= 0 && v <= 255; }),
          "resized pixels stay within 0..255");
}

/// Everything that was unpacked lies below `folder` and is a folder or a photo.
void require_photos(const fs::path& folder, const fs::path& cache) {
  require(folder.parent_path() == cache / "datasets", "an archive unpacks into its folder of the cache");
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const fs::file_status status = entry.symlink_status();
    require(fs::is_directory(status) || (fs::is_regular_file(status) && is_photo_name(entry.path())),
            "only photos are unpacked");
  }
}

}  // namespace

void image(Bytes bytes) {
  expect_answer([&] {
    const ImageSize size = image_size(bytes, "fuzzed.jpg");
    require(size.width > 0 && size.height > 0, "a picture has pixels");
    if (std::int64_t{size.width} * size.height > max_pixels) return;
    const Image image = decode_image(bytes, "fuzzed.jpg");
    require(image.width == size.width && image.height == size.height, "the header's size is the picture's");
    require(image.rgb.size() == static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3,
            "each pixel has three bytes");
    resize(image, {0, 0, image.height, image.width}, false);
    resize(image, {image.height / 2, image.width / 2, image.height - image.height / 2, image.width - image.width / 2},
           true);
  });
}

void archive(Bytes bytes) {
  static const Scratch scratch;
  const fs::path cache = scratch.path() / "cache";
  ::setenv("THAW_CACHE", cache.c_str(), 1);
  const fs::path file = scratch.put("fuzzed.tgz", bytes);
  expect_answer([&] {
    const fs::path folder =
        unpack_archive(file, {.total_bytes = 4 << 20, .ratio = 50, .ratio_free_bytes = 1 << 20, .entries = 100});
    require_photos(folder, cache);
  });
  for (const fs::directory_entry& entry : fs::directory_iterator(scratch.path())) {
    require(entry.path() == file || entry.path() == cache, "nothing is written beside the cache");
  }
  scratch.clear();
}

}  // namespace thaw::fuzz
