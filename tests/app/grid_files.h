#pragma once

#include <gtest/gtest.h>

#include <map>

#include "tests/app/run_files.h"

namespace thaw::testing {

/// A grid of drawn photos that touches what there is to share and to restore: a prefix from photos, one from another
/// cache, the same cache twice, dropout, batch statistics, a training without a prefix, two seeds. About two seconds.
inline std::string small_grid_text(const std::string& more = {}) {
  return R"(
title = "a small grid"
[train]
model = "mobilenet_v3_small"
weights = "synth"
split = "train=train[:60%],val=train[60%:80%],test=train[80%:]"
size = 32
batch = 8
device = "cpu"
dtype = "f32"
epochs = 2
dropout = 0.3
bn = "inference"
[[run]]
unfreeze = ["blocks:1", "layer:120", "blocks:3", "none"]
published = { experiment = 7, test_accuracy = 91.5 }
[[run]]
unfreeze = "all"
bn = "train"
flip = true
[[run]]
unfreeze = "blocks:2"
schedule = "cosine"
seed = [1, 2]
)" + more;
}

inline std::string write_text(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  return path;
}

/// `thaw grid run` of that grid.
inline std::vector<std::string> small_grid(const std::string& file, const std::string& out,
                                           const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"grid", "run", file, "--data", drawn_photos(), "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Paths of the experiments' files below a grid's folder, without reports and locks. What is written or renamed
/// meanwhile may be missing.
inline std::vector<std::string> experiment_files(const std::string& grid) {
  std::vector<std::string> files;
  std::error_code gone;
  for (fs::recursive_directory_iterator entry(grid), end; entry != end; entry.increment(gone)) {
    const fs::path path = entry->path().lexically_relative(grid);
    const bool in_experiment = path.has_parent_path();
    if (entry->is_regular_file(gone) && in_experiment && path.filename() != ".lock") files.push_back(path.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Two finished grids left the same behind: the same files, weights byte for byte, metrics and results.
inline void expect_same_grid(const std::string& a, const std::string& b) {
  const std::vector<std::string> files = experiment_files(a);
  EXPECT_EQ(files, experiment_files(b));
  for (const std::string& file : files) {
    const fs::path path(file);
    const std::string left = a + "/" + file, right = b + "/" + file;
    if (!fs::exists(right)) continue;
    if (path.extension() == ".h5") {
      EXPECT_TRUE(read_file(left) == read_file(right)) << file << " differs";
    } else if (path.filename() == "metrics.jsonl") {
      EXPECT_EQ(timeless_metrics(fs::path(left).parent_path()), timeless_metrics(fs::path(right).parent_path()));
    } else if (path.filename() == "result.json") {
      nlohmann::json one = timeless_result(fs::path(left).parent_path());
      nlohmann::json two = timeless_result(fs::path(right).parent_path());
      for (nlohmann::json* json : {&one, &two}) json->at("settings").erase("cache_limit");
      EXPECT_EQ(one, two) << file;
    }
  }
}

/// What a grid's folder says of its experiments, by name.
inline std::map<std::string, nlohmann::json> states_of(const std::string& grid) {
  std::map<std::string, nlohmann::json> states;
  const Outcome outcome = call({"grid", "status", grid, "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  if (outcome.code != 0) return states;
  const nlohmann::json status = nlohmann::json::parse(outcome.out);
  for (const nlohmann::json& row : status.at("experiments")) states[row.at("name")] = row;
  return states;
}

}  // namespace thaw::testing
