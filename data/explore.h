#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/split.h"

namespace thaw {

/// Smallest, median (the lower one of an even count) and largest of a quantity over all photos.
template <class T>
struct Range {
  T min{}, median{}, max{};
};

struct SizeCount {
  int width = 0, height = 0, count = 0;
};

/// What a data set looks like, from the photos' headers; nothing is decoded.
struct DatasetStats {
  std::vector<std::string> class_names;
  std::vector<int> class_counts;
  int images = 0;
  std::uint64_t bytes = 0;   ///< of all files
  Range<int> width, height;  ///< pixels
  Range<double> aspect;      ///< width / height
  Range<std::uint64_t> file_bytes;
  std::vector<SizeCount> common_sizes;               ///< at most ten, the commonest first
  std::vector<std::vector<std::string>> duplicates;  ///< keys of byte-identical files, which may leak between splits
  std::vector<BadImage> unreadable;                  ///< files without a usable header; not counted above
};

/// Reads every file once, in parallel.
DatasetStats dataset_stats(const Dataset& dataset, int threads = 0);
nlohmann::json to_json(const DatasetStats& stats);

/// {"train": ["class/file.jpg", ...], "val": [...], "test": [...]}, in the split's order.
nlohmann::json split_json(const Dataset& dataset, const Split& split);

/// A picture of the data set: a row per class with its first `per_class` photos in order, each cut to a square of
/// `thumb` pixels, below the class's name. Photos that cannot be decoded are left black. Throws `Error` (usage) for
/// sizes below 1 or a sheet beyond the image limits.
Image contact_sheet(const Dataset& dataset, int per_class, int thumb);

}  // namespace thaw
