#include "app/grid_runner.h"

#include <fmt/format.h>

#include <fstream>
#include <new>
#include <thread>

#include "app/cli.h"
#include "app/grid_weights.h"
#include "app/line_stream.h"
#include "app/options.h"
#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* kFailure = "failure.json";

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

const char* kind_text(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return "usage";
    case ErrorKind::data: return "data";
    case ErrorKind::device: return "device";
    default: return "failed";
  }
}

/// From now on `peak_memory_bytes` is of what comes; where the system does not allow that, it stays the process' whole.
void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace

bool is_finished_run(const fs::path& folder) {
  try {
    return nlohmann::json::parse(read_file(folder / RunFolder::kResult)).contains("test_accuracy");
  } catch (const std::exception&) {
    return false;  // none, or a damaged one: it is made again
  }
}

void tidy_finished_run(const fs::path& folder) {
  std::error_code ignored;
  for (const char* ending : {"", ".new", ".previous"}) {
    fs::remove(folder / (std::string(RunFolder::kCheckpoint) + ending), ignored);
  }
  fs::remove(folder / kFailure, ignored);
  remove_abandoned_files(folder);
}

/// A thread's own devices and console.
struct GridRunner::Worker {
  explicit Worker(Console& own) : console(own) {}

  Device device(const TrainSettings& s) {
    const std::string key = fmt::format("{} {} {} {} {} {}", s.device, s.dtype, s.threads, s.tf32, s.fast, s.autotune);
    const auto found = devices.find(key);
    if (found != devices.end()) return found->second;
    return devices
        .emplace(key, open_device({.device = s.device,
                                   .dtype = s.dtype,
                                   .threads = s.threads,
                                   .tf32 = s.tf32,
                                   .fast = s.fast,
                                   .autotune = s.autotune}))
        .first->second;
  }

  Console& console;
  std::map<std::string, Device> devices;
};

GridRunner::GridRunner(GridPlan plan, GridRunnerOptions options, SharedInputs& shared, const SignalGuard& signals,
                       Console& console)
    : plan_(std::move(plan)), options_(std::move(options)), shared_(shared), signals_(signals), console_(console) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (PlannedExperiment& planned : plan_.experiments) {
    planned.settings.data = options_.data;
    // Several at once share the cores; how many threads there are changes no bit.
    if (options_.jobs > 1 && planned.settings.threads == 0)
      planned.settings.threads = std::max(1, cores / options_.jobs);
  }
}

int GridRunner::run() {
  if (options_.jobs == 1) {
    work(console_);
  } else {
    std::mutex printing;
    std::vector<std::jthread> threads;
    threads.reserve(static_cast<std::size_t>(options_.jobs));
    for (int i = 0; i < options_.jobs; ++i) {
      threads.emplace_back([this, &printing] {
        LineStream out(console_.out, printing), err(console_.err, printing);
        Console own{.out = out, .err = err, .interactive = false, .colour = console_.colour, .width = console_.width};
        work(own);
      });
    }
  }
  if (!cannot_write_.empty()) {
    fail(ErrorKind::failed, "{}; nothing is lost: the same command goes on once that is possible", cannot_write_);
  }
  if (stopped_by_ != 0) return stopped_by_;
  shared_.prefixes()->drop_all();
  return failures_ > 0 ? exit_failed : exit_ok;
}

void GridRunner::work(Console& console) {
  Worker worker(console);
  while (const PlannedExperiment* planned = take()) run_one(*planned, worker);
}

const PlannedExperiment* GridRunner::take() {
  const std::lock_guard lock(mutex_);
  if (signals_.requested() && stopped_by_ == 0) stopped_by_ = signals_.exit_code();
  if (stopping_ || stopped_by_ != 0 || next_ == plan_.experiments.size()) return nullptr;
  return &plan_.experiments[next_++];
}

std::string GridRunner::label(const PlannedExperiment& planned) const {
  const auto place = &planned - plan_.experiments.data() + 1;
  return fmt::format("[{}/{}] {}  ", place, plan_.experiments.size(), planned.experiment.name);
}

void GridRunner::run_one(const PlannedExperiment& planned, Worker& worker) {
  const fs::path folder = options_.out / planned.experiment.folder();
  const bool whole = !fs::exists(folder / RunFolder::kCheckpoint);
  const auto start = Clock::now();
  try {
    try {
      const int code = train(planned, worker);
      if (code == 0) {
        finished(planned, seconds_since(start), whole, worker.console);
      } else {
        const std::lock_guard lock(mutex_);
        stopped_by_ = code;
      }
    } catch (const std::bad_alloc&) {
      fail(ErrorKind::failed, "there is not enough memory; {} are predicted, of them {} for caches (--cache-limit)",
           bytes_text(planned.memory_bytes), bytes_text(planned.cache_bytes));
    }
  } catch (const Error& error) {
    failed(planned, error, worker.console);
  } catch (const std::exception& error) {
    failed(planned, Error(ErrorKind::failed, error.what()), worker.console);
  }
}

int GridRunner::train(const PlannedExperiment& planned, Worker& worker) {
  const fs::path folder = options_.out / planned.experiment.folder();
  TrainSettings settings = planned.settings;
  settings.weights = find_weights(settings.weights, settings.model, options_.weight_folders);
  RunSurroundings surroundings{.signals = signals_, .shared = &shared_};
  surroundings.voice = {.json = options_.quiet,
                        .brief = true,
                        .epochs = !worker.console.interactive,
                        .label = label(planned),
                        .go_on = "the same `thaw grid run`",
                        .seconds_behind = [this] { return seconds_behind(); }};
  surroundings.prefix_ready = [&](const PrefixCache& cache) { prefix_is_ready(planned, cache); };
  if (options_.jobs == 1) forget_peak_memory();

  const bool begun = fs::exists(folder / RunFolder::kSettings);
  const RunFolder run = begun ? RunFolder::open(folder) : RunFolder::create(folder);
  std::error_code ignored;
  fs::remove(folder / kFailure, ignored);
  if (!begun) {
    surroundings.device = worker.device(settings);
    return train_in(run, settings, std::nullopt, worker.console, surroundings);
  }
  const BegunRun before = read_begun_run(run);
  const TrainSettings same = moved_here(before.settings, settings);
  surroundings.device = worker.device(same);
  return train_in(run, same, before, worker.console, surroundings);
}

void GridRunner::finished(const PlannedExperiment& planned, double seconds, bool whole, Console& console) {
  const fs::path folder = options_.out / planned.experiment.folder();
  tidy_finished_run(folder);
  const nlohmann::json result = nlohmann::json::parse(read_file(folder / RunFolder::kResult));
  const auto share = [&result](const char* key) { return percent_text(result.at(key).get<double>()); };
  double left = 0;
  {
    const std::lock_guard lock(mutex_);
    over_.insert(planned.experiment.id);
    if (whole) {
      predicted_ += planned.seconds;
      measured_ += seconds;
    }
  }
  left = seconds_behind();
  std::ostream& say = options_.quiet ? console.err : console.out;
  say << fmt::format("{}done  train {}  validation {}  test {}  {}{}\n", label(planned), share("train_accuracy"),
                     share("val_accuracy"), bold(console, share("test_accuracy")), seconds_text(seconds),
                     left > 0 ? fmt::format("  grid ETA {}", seconds_text(left)) : std::string())
      << std::flush;
  let_go_of_prefixes();
}

void GridRunner::failed(const PlannedExperiment& planned, const Error& error, Console& console) {
  const fs::path folder = options_.out / planned.experiment.folder();
  {
    const std::lock_guard lock(mutex_);
    ++failures_;
    over_.insert(planned.experiment.id);
    if (options_.fail_fast) stopping_ = true;
  }
  console.err << fmt::format("thaw: {}failed: {}\n", label(planned), error.what()) << std::flush;
  try {
    const nlohmann::json failure = {
        {"reason", error.what()}, {"kind", kind_text(error.kind())}, {"exit_code", exit_code_of(error.kind())}};
    write_file_atomically(folder / kFailure, failure.dump(2) + "\n");
  } catch (const Error& cannot) {
    // No experiment to come could keep its result either.
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    cannot_write_ = cannot.what();
  }
  let_go_of_prefixes();
}

void GridRunner::prefix_is_ready(const PlannedExperiment& planned, const PrefixCache& cache) {
  {
    const std::lock_guard lock(mutex_);
    prefixes_[planned.family][planned.cost.cut] = cache.key();
  }
  let_go_of_prefixes();
}

void GridRunner::let_go_of_prefixes() {
  const std::lock_guard lock(mutex_);
  std::set<std::string> unwanted;
  for (auto& [family, known] : prefixes_) {
    std::vector<std::size_t> have, left;
    for (const auto& [cut, key] : known) have.push_back(cut);
    for (const PlannedExperiment& planned : plan_.experiments) {
      const bool to_come = planned.cached && planned.family == family && !over_.contains(planned.experiment.id);
      if (to_come) left.push_back(planned.cost.cut);
    }
    const std::vector<std::size_t> wanted = wanted_cuts(have, left);
    for (const std::size_t cut : have) {
      if (std::find(wanted.begin(), wanted.end(), cut) != wanted.end()) continue;
      unwanted.insert(known.at(cut));
      known.erase(cut);
    }
  }
  shared_.prefixes()->drop(unwanted);
}

double GridRunner::seconds_behind() const {
  const std::lock_guard lock(mutex_);
  double seconds = 0;
  for (std::size_t i = next_; i < plan_.experiments.size(); ++i) seconds += plan_.experiments[i].seconds;
  return seconds / options_.jobs * (predicted_ > 0 ? measured_ / predicted_ : 1.0);
}

}  // namespace thaw
