#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/image_source.h"
#include "app/progress.h"
#include "app/result.h"
#include "app/session.h"
#include "app/shared_inputs.h"
#include "app/signals.h"
#include "app/train_settings.h"
#include "data/split.h"
#include "models/selector.h"
#include "weights/checkpoint.h"
#include "weights/store.h"
#include "weights/thaw_h5.h"

namespace thaw {

/// What a run says while it goes on.
struct RunVoice {
  bool json = false;       ///< the report as JSON on the standard output, everything else on the other one
  bool brief = false;      ///< neither header nor summary
  bool epochs = true;      ///< a line an epoch
  std::string label = {};  ///< in front of those lines and of the progress
  std::string go_on = {};  ///< what goes on with a run that was stopped; empty: `thaw train --resume` of its folder
  std::function<double()> seconds_behind = [] { return 0.0; };  ///< expected after this run, for the time to come
};

/// What a run gets from whoever starts it.
struct RunSurroundings {
  const SignalGuard& signals;
  SharedInputs* shared = nullptr;     ///< with other runs of the process; null: it has its own
  std::optional<Device> device = {};  ///< opened before; else the run opens what its settings say
  RunVoice voice = {};
  /// Called once the frozen prefix is cached, and never where it is not cached.
  std::function<void(const PrefixCache&)> prefix_ready = [](const PrefixCache&) {};
};

/// What a run is made from, with the digests that a resumed run compares.
struct TrainInputs {
  Dataset dataset;
  Split split;
  Session session;
  Selection selection;
  std::vector<std::string> skipped;  ///< photos left out, with the reasons
  nlohmann::json digests;            ///< what must be the same when the run goes on
};

/// Opens photos and weights and builds the network. Replaces `auto` in the settings by what it came to mean.
TrainInputs open_train_inputs(TrainSettings& settings, Console& console, const RunSurroundings& surroundings);

/// A weight file's content.
struct WeightFile {
  WeightSet set;
  Metadata metadata;
  void write(const std::filesystem::path& path) const { write_thaw_h5(path, set, metadata); }
};

/// One training run in its folder: epochs with evaluation, checkpoints, and the report at the end.
class TrainingRun {
 public:
  TrainingRun(TrainSettings settings, TrainInputs inputs, RunFolder folder, Console& console,
              const RunSurroundings& surroundings);
  /// Continues where the folder's checkpoint stands; `planned` are the epochs that were asked for so far.
  /// Throws `Error`: (data) where checkpoint and best weights cannot be used, (usage) for fewer epochs than are done.
  void restore(int planned);
  /// Trains to the end; returns the exit code (0, 130 or 143).
  int run();
  double data_seconds = 0;  ///< that opening the inputs took

 private:
  using Clock = std::chrono::steady_clock;
  std::unique_ptr<Trainer> make_trainer();
  void write_settings() const;
  void restore_state(const Checkpoint& checkpoint, const std::string& file);
  void require_epochs(int planned) const;
  void require_best_weights(int planned) const;
  void print_header();
  void show(const Progress& progress);
  void begin(Progress::Phase phase, std::string label, std::size_t total, std::int64_t done = 0);

  int train_to_the_end();
  bool prepare();
  bool train_one_epoch();
  void finish_epoch();
  void print_epoch(const EpochMetrics& metrics, bool best);
  [[nodiscard]] double seconds_left() const;
  int interrupted();
  /// The command that goes on with this run.
  [[nodiscard]] std::string go_on() const;

  [[nodiscard]] WeightFile weights_now(const EpochMetrics& metrics) const;
  void write_checkpoint_file();
  /// Best weights, checkpoint and metrics, in the order that lets a run be killed in between. Throws `Error`.
  void save();
  /// The same; where there is no room it says so and lets the run go on, to try again the next time.
  void save_if_possible();
  void checkpoint_between_steps(const Progress& progress);
  /// Writes what a finished run cannot be without; the `Error` says how to go on.
  void complete(const std::function<void()>& write);
  void book_training_time();

  void finish();
  [[nodiscard]] Evaluation test_of_best(const Evaluation& last);
  [[nodiscard]] nlohmann::json report(const Evaluation& test, const Evaluation& best_test) const;
  void print_summary(const nlohmann::json& result, const ConfusionMatrix& matrix);
  [[nodiscard]] ConfusionMatrix test_matrix(const Evaluation& test) const;

  TrainSettings settings_;
  TrainInputs inputs_;
  RunFolder folder_;
  Console& console_;
  RunVoice voice_;
  std::shared_ptr<PrefixStore> prefixes_;  // shared; null: the trainer has its own
  std::function<void(const PrefixCache&)> prefix_ready_;
  std::ostream& say_;
  ProgressLine progress_;
  Progress::Phase phase_ = Progress::Phase::prefix;
  DatasetImages images_;
  std::unique_ptr<Trainer> trainer_;
  const SignalGuard& signals_;

  Position position_;
  std::vector<EpochMetrics> history_;
  EarlyStopping best_rule_;
  int best_epoch_ = 0;
  std::optional<WeightFile> unsaved_best_;  // waits for its file; no checkpoint may go before it
  bool restored_ = false;
  bool saved_ = false;         // the folder holds all that has been done
  bool without_room_ = false;  // the last attempt to save failed
  Clock::time_point booked_;   // up to where training time is counted
  double epoch_seconds_ = 0;   // spent training in the epoch that is under way, before an interruption
  int epochs_here_ = 0;        // finished by this process
  double seconds_here_ = 0;    // that those took
  Timing timing_;
};

}  // namespace thaw
