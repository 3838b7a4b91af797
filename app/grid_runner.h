#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "app/grid_plan.h"
#include "app/train_start.h"
#include "kernels/error.h"

namespace thaw {

/// Whether a run's folder holds a result that can be read.
bool is_finished_run(const std::filesystem::path& folder);
/// Removes what a finished run needs no more: checkpoints, an old failure, what a killed process left half written.
void tidy_finished_run(const std::filesystem::path& folder);

struct GridRunnerOptions {
  std::filesystem::path out;
  std::string data;
  std::vector<std::filesystem::path> weight_folders;
  int jobs = 1;
  bool fail_fast = false;
  bool quiet = false;  ///< nothing on the standard output: it is for a report as JSON
};

/// Runs planned experiments, each in its folder below `out`. Finished ones are skipped, half-done ones go on, failed
/// ones are tried again. A failure is written into the experiment's folder and stops nothing else unless asked to.
class GridRunner {
 public:
  /// `plan` holds the experiments to run, in order; `shared` outlives the runner.
  GridRunner(GridPlan plan, GridRunnerOptions options, SharedInputs& shared, const SignalGuard& signals,
             Console& console);
  /// Returns 0, exit_failed where an experiment failed, or 129, 130, 143 where it was stopped. Throws `Error` (failed)
  /// where nothing can be written any more.
  int run();

 private:
  struct Worker;
  void work(Console& console);
  [[nodiscard]] const PlannedExperiment* take();
  void run_one(const PlannedExperiment& planned, Worker& worker);
  int train(const PlannedExperiment& planned, Worker& worker);
  void finished(const PlannedExperiment& planned, double seconds, bool whole, Console& console);
  void failed(const PlannedExperiment& planned, const Error& error, Console& console);

  /// Remembers where a prefix is, and lets go of those that no experiment to come will want.
  void prefix_is_ready(const PlannedExperiment& planned, const PrefixCache& cache);
  void let_go_of_prefixes();
  [[nodiscard]] double seconds_behind() const;
  [[nodiscard]] std::string label(const PlannedExperiment& planned) const;

  GridPlan plan_;
  GridRunnerOptions options_;
  SharedInputs& shared_;
  const SignalGuard& signals_;
  Console& console_;

  mutable std::mutex mutex_;  // guards what follows
  std::size_t next_ = 0;
  std::set<std::string> over_;  // ids of experiments that are finished or have failed
  std::map<std::string, std::map<std::size_t, std::string>> prefixes_;  // family -> cut -> key
  double predicted_ = 0, measured_ = 0;  // seconds of the experiments that were run here from the start
  bool stopping_ = false;
  int failures_ = 0;
  int stopped_by_ = 0;        // an exit code
  std::string cannot_write_;  // why
};

}  // namespace thaw
