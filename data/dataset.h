#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/image.h"

namespace thaw {

/// One labelled photo.
struct Sample {
  std::string key;  ///< "class/file.jpg", as in TFDS
  int label = 0;    ///< index into the class names
};

/// A photo that cannot be decoded, and why.
struct BadImage {
  std::string key, reason;
};

/// What to do about photos that cannot be decoded.
enum class BadImages {
  stop,  ///< loading one throws
  skip,  ///< all are decoded once on opening, and the bad ones left out
};

struct DatasetOptions {
  BadImages bad = BadImages::stop;
  int threads = 0;  ///< for decoding everything once; 0: all
};

/// Labelled photos on disk, in TFDS' order: ascending md5("train" + key), read as a 128-bit big-endian number. So a
/// slice holds the same photos as the same slice of the TFDS data set, without TensorFlow. A cheap handle: copies
/// share everything.
class Dataset {
 public:
  /// Opens a folder of class folders (class/photo.jpg; nothing deeper counts), possibly inside one more folder, or a
  /// .tgz, .tar.gz or .tar of one, which is unpacked into the cache folder once. Photos are .jpg, .jpeg and .png
  /// files; other files and empty folders are ignored. Labels: alphabetical by class name, except that the five
  /// classes of tf_flowers get TFDS' order. Throws `Error` (data) where there are no two classes of photos.
  static Dataset open(const std::filesystem::path& path, const DatasetOptions& options = {});

  [[nodiscard]] const std::vector<Sample>& samples() const;
  [[nodiscard]] const std::vector<std::string>& class_names() const;
  [[nodiscard]] int size() const { return static_cast<int>(samples().size()); }
  [[nodiscard]] int class_count() const { return static_cast<int>(class_names().size()); }
  /// The folder that holds the class folders.
  [[nodiscard]] const std::filesystem::path& root() const;
  [[nodiscard]] std::filesystem::path path_of(int sample) const;

  /// SHA-256 over every key and file in order; read on the first call, remembered afterwards. Thread-safe.
  [[nodiscard]] std::string content_hash() const;

  /// Reads and decodes one photo. Throws `Error` (data) naming its path.
  [[nodiscard]] Image load(int sample) const;

  /// Decodes everything in parallel and reports what fails, in sample order.
  [[nodiscard]] std::vector<BadImage> scan_bad_images(int threads = 0) const;

  /// The data set without the photos that cannot be decoded; the report, where one is wanted, names them. Decodes
  /// everything once, unless that was done when opening. Throws `Error` (data) where too few photos are left.
  [[nodiscard]] Dataset without_bad_images(std::vector<BadImage>* report = nullptr, int threads = 0) const;

  /// The photos that were left out.
  [[nodiscard]] const std::vector<BadImage>& skipped() const;

 private:
  struct State;
  explicit Dataset(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// The labels of TFDS' tf_flowers, which are not alphabetical.
const std::vector<std::string>& tf_flowers_class_names();

}  // namespace thaw
