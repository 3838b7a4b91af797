#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/app/support.h"
#include "weights/checkpoint.h"

namespace thaw::testing {

/// metrics.jsonl without what the clock decides.
inline std::vector<nlohmann::json> timeless_metrics(const std::string& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(read_file(run + "/metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    nlohmann::json json = nlohmann::json::parse(line);
    for (const char* key : {"train_seconds", "eval_seconds", "images_per_second"}) json.erase(key);
    lines.push_back(json);
  }
  return lines;
}

/// result.json without times, memory and those settings that must not matter.
inline nlohmann::json timeless_result(const std::string& run) {
  nlohmann::json json = read_json(run + "/result.json");
  for (const char* key : {"seconds", "images_per_second", "peak_memory_bytes", "device_peak_memory_bytes"}) {
    json.erase(key);
  }
  for (const char* key : {"threads", "no_cache", "checkpoint_steps"}) json.at("settings").erase(key);
  json.at("device").erase("threads");
  json.erase("prefix_cached");
  return json;
}

/// The text of a checkpoint without times.
inline nlohmann::json timeless_text(const Checkpoint& checkpoint) {
  nlohmann::json json = nlohmann::json::parse(checkpoint.text);
  for (const char* key : {"timing", "epoch_seconds"}) json.erase(key);
  for (nlohmann::json& line : json.at("history")) {
    for (const char* key : {"train_seconds", "eval_seconds", "images_per_second"}) line.erase(key);
  }
  return json;
}

/// What lies in a run's folder but for the lock of a process that was killed, which holds nothing any more.
inline std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  names.erase(".lock");
  return names;
}

/// Two finished runs left the same behind: weights byte for byte, the checkpoint's arrays bit by bit, metrics and
/// result, and no other files.
inline void expect_same_run(const std::string& a, const std::string& b) {
  EXPECT_EQ(timeless_metrics(a), timeless_metrics(b));
  EXPECT_EQ(timeless_result(a), timeless_result(b));
  EXPECT_TRUE(read_file(a + "/last.h5") == read_file(b + "/last.h5")) << "last.h5 differs";
  EXPECT_TRUE(read_file(a + "/best.h5") == read_file(b + "/best.h5")) << "best.h5 differs";
  const Checkpoint left = read_checkpoint(a + "/checkpoint.thaw"), right = read_checkpoint(b + "/checkpoint.thaw");
  EXPECT_TRUE(left.arrays == right.arrays) << "the arrays of checkpoint.thaw differ";
  EXPECT_EQ(timeless_text(left), timeless_text(right));
  EXPECT_EQ(names_in(a), names_in(b));
}

}  // namespace thaw::testing
