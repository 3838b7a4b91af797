#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/run_lock.h"
#include "framework/trainer.h"

namespace thaw {

/// The folder of one training run. Every file in it appears whole or not at all:
/// `settings.json` (at the start), `metrics.jsonl` (a line an epoch), `checkpoint.thaw` (each epoch, each so many steps
/// and at an interruption), `best.h5` (best validation accuracy), `last.h5` and `result.json` (at the end). While an
/// object or a copy of it lives, no other process can open the folder; what a killed one left half written is removed.
class RunFolder {
 public:
  /// A folder for a new run. Throws `Error`: (usage) where it holds a run already, (failed) where it cannot be made or
  /// another process has it.
  static RunFolder create(const std::filesystem::path& path);
  /// The folder of a run that was begun. Throws `Error`: (data) where it holds none, (failed) where another process has
  /// it.
  static RunFolder open(const std::filesystem::path& path);

  [[nodiscard]] std::filesystem::path file(const char* name) const { return path_ / name; }
  [[nodiscard]] bool has(const char* name) const { return std::filesystem::exists(file(name)); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void write_json(const char* name, const nlohmann::json& json) const;
  /// Throws `Error` (data) naming the file where it is missing or no JSON.
  [[nodiscard]] nlohmann::json read_json(const char* name) const;
  void write_metrics(const std::vector<EpochMetrics>& history) const;

  static constexpr const char* kSettings = "settings.json";
  static constexpr const char* kMetrics = "metrics.jsonl";
  static constexpr const char* kCheckpoint = "checkpoint.thaw";
  static constexpr const char* kBest = "best.h5";
  static constexpr const char* kLast = "last.h5";
  static constexpr const char* kResult = "result.json";

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  void take();

  std::filesystem::path path_;
  std::shared_ptr<RunLock> lock_;
};

/// One line of `metrics.jsonl`: epoch, train_loss, train_accuracy, train_eval_loss and train_eval_accuracy where they
/// were computed, val_loss, val_accuracy, lr, train_seconds, eval_seconds, images_per_second. Doubles keep every digit.
nlohmann::json to_json(const EpochMetrics& metrics);
/// Throws nlohmann's exception for a document of another form.
EpochMetrics epoch_metrics_from(const nlohmann::json& json);

/// Seconds of a run's phases; a resumed run adds to what it had spent before.
struct Timing {
  double data = 0, prefix = 0, train = 0, evaluate = 0;
  [[nodiscard]] double total() const { return data + prefix + train + evaluate; }
};
nlohmann::json to_json(const Timing& timing);
Timing timing_from(const nlohmann::json& json);

/// counts[actual][predicted].
using ConfusionMatrix = std::vector<std::vector<int>>;
ConfusionMatrix confusion_matrix(const std::vector<int>& labels, const std::vector<int>& predictions, int classes);
/// The matrix with the recall of every class, for a terminal.
std::string confusion_table(const ConfusionMatrix& matrix, const std::vector<std::string>& class_names);

/// The most memory that this process has had resident.
std::uint64_t peak_memory_bytes();

}  // namespace thaw
