#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace thaw::grid {

/// How far an experiment is. A result outweighs a failure, a failure a run that was begun.
enum class State { waiting, half_done, failed, finished };
/// "waiting", "half-done", "failed", "finished".
const char* name_of(State state);

/// What a paper printed for an experiment, in percent.
struct PublishedRow {
  std::optional<int> experiment;
  std::optional<double> train_accuracy, val_accuracy, test_accuracy;
};

/// What was expected of an experiment before it ran.
struct Prediction {
  std::optional<double> seconds, memory_bytes, cache_bytes;
};

/// Why the last attempt at an experiment ended without a result.
struct Failure {
  std::string reason;  ///< one sentence
  std::string kind;    ///< of `ErrorKind`, by name; may be empty
  int exit_code = 0;
};

/// One experiment: its row of `grid.json` and what its folder says.
struct ExperimentRecord {
  int index = 0;  ///< from 1, in the order of the grid's file
  std::string id, name, folder, model, unfreeze;
  int epochs = 0;
  std::uint64_t seed = 0;
  nlohmann::json settings;  ///< an object
  std::optional<PublishedRow> published;
  std::string cut;  ///< empty where unknown
  std::optional<int> cut_index;
  std::optional<std::int64_t> trainable_parameters;
  std::optional<Prediction> predicted;

  State state = State::waiting;
  int epochs_done = 0;
  std::vector<nlohmann::json> history;  ///< lines of `metrics.jsonl`: objects whose accuracies and losses are numbers
  nlohmann::json result;                ///< `result.json` where finished, else null; what reports read of it is sound
  std::optional<Failure> failure;       ///< where failed
  std::string complaint;                ///< a damaged file beside a result that is whole, or beside a checkpoint
};

/// A folder that `thaw grid run` wrote into, as it is now.
struct GridRecord {
  std::string thaw, title, file, file_sha256;
  std::vector<std::string> overrides;
  nlohmann::json machine;    ///< an object, or null
  nlohmann::json published;  ///< the table [published] of the grid's file, or null
  std::vector<ExperimentRecord> experiments;
};

/// Reads `grid.json` and the experiments' folders; writes nothing. Throws `Error` (data) where there is no grid, or
/// where `grid.json` is damaged. A damaged `result.json` makes its experiment a failed one with that reason.
GridRecord read_grid(const std::filesystem::path& folder);

}  // namespace thaw::grid
