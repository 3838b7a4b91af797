#include "data/explore.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/parallel.h"
#include "kernels/digest.h"
#include "kernels/error.h"

namespace thaw {

namespace {

struct FileFacts {
  ImageSize size;
  std::uint64_t bytes = 0;
  std::string hash, problem;
};

FileFacts facts_of(const Dataset& dataset, int sample) {
  FileFacts facts;
  try {
    const std::filesystem::path path = dataset.path_of(sample);
    const std::vector<std::uint8_t> bytes = read_image_file(path);
    facts.size = image_size(bytes, path.string());
    facts.bytes = bytes.size();
    Sha256 hash;
    hash.add(std::span<const std::uint8_t>(bytes));
    facts.hash = hash.hex();
  } catch (const Error& error) {
    facts.problem = error.what();
  }
  return facts;
}

template <class T>
Range<T> range_of(std::vector<T> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values.front(), values[(values.size() - 1) / 2], values.back()};
}

std::vector<SizeCount> commonest(const std::map<std::pair<int, int>, int>& counts) {
  std::vector<SizeCount> sizes;
  sizes.reserve(counts.size());
  for (const auto& [size, count] : counts) sizes.push_back({size.first, size.second, count});
  std::stable_sort(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
  sizes.resize(std::min<std::size_t>(sizes.size(), 10));
  return sizes;
}

template <class T>
nlohmann::json range_json(const Range<T>& range) {
  return {{"min", range.min}, {"median", range.median}, {"max", range.max}};
}

}  // namespace

DatasetStats dataset_stats(const Dataset& dataset, int threads) {
  std::vector<FileFacts> facts(dataset.samples().size());
  parallel_for(dataset.size(), threads, [&](int i) { facts[static_cast<std::size_t>(i)] = facts_of(dataset, i); });

  DatasetStats stats;
  stats.class_names = dataset.class_names();
  stats.class_counts.assign(stats.class_names.size(), 0);
  std::vector<int> widths, heights;
  std::vector<double> aspects;
  std::vector<std::uint64_t> sizes;
  std::map<std::pair<int, int>, int> size_counts;
  std::map<std::string, std::vector<std::string>> by_hash;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const FileFacts& file = facts[i];
    const Sample& sample = dataset.samples()[i];
    if (!file.problem.empty()) {
      stats.unreadable.push_back({sample.key, file.problem});
      continue;
    }
    ++stats.images;
    ++stats.class_counts[static_cast<std::size_t>(sample.label)];
    stats.bytes += file.bytes;
    widths.push_back(file.size.width);
    heights.push_back(file.size.height);
    aspects.push_back(static_cast<double>(file.size.width) / file.size.height);
    sizes.push_back(file.bytes);
    ++size_counts[{file.size.width, file.size.height}];
    by_hash[file.hash].push_back(sample.key);
  }
  stats.width = range_of(std::move(widths));
  stats.height = range_of(std::move(heights));
  stats.aspect = range_of(std::move(aspects));
  stats.file_bytes = range_of(std::move(sizes));
  stats.common_sizes = commonest(size_counts);
  for (auto& [hash, keys] : by_hash) {
    if (keys.size() < 2) continue;
    std::sort(keys.begin(), keys.end());
    stats.duplicates.push_back(std::move(keys));
  }
  std::sort(stats.duplicates.begin(), stats.duplicates.end());
  return stats;
}

nlohmann::json to_json(const DatasetStats& stats) {
  nlohmann::json classes = nlohmann::json::array(), sizes = nlohmann::json::array(), bad = nlohmann::json::array();
  for (std::size_t i = 0; i < stats.class_names.size(); ++i) {
    classes.push_back({{"label", i}, {"name", stats.class_names[i]}, {"images", stats.class_counts[i]}});
  }
  for (const SizeCount& size : stats.common_sizes) {
    sizes.push_back({{"width", size.width}, {"height", size.height}, {"images", size.count}});
  }
  for (const BadImage& image : stats.unreadable) bad.push_back({{"key", image.key}, {"reason", image.reason}});
  return {{"images", stats.images},
          {"bytes", stats.bytes},
          {"classes", classes},
          {"width", range_json(stats.width)},
          {"height", range_json(stats.height)},
          {"aspect", range_json(stats.aspect)},
          {"file_bytes", range_json(stats.file_bytes)},
          {"common_sizes", sizes},
          {"duplicates", stats.duplicates},
          {"unreadable", bad}};
}

nlohmann::json split_json(const Dataset& dataset, const Split& split) {
  const auto keys = [&](const std::vector<int>& part) {
    nlohmann::json list = nlohmann::json::array();
    for (const int i : part) list.push_back(dataset.samples()[static_cast<std::size_t>(i)].key);
    return list;
  };
  return {{"train", keys(split.train)}, {"val", keys(split.val)}, {"test", keys(split.test)}};
}

}  // namespace thaw
