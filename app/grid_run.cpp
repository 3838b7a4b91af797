#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "app/cli.h"
#include "app/grid_basis.h"
#include "app/grid_options.h"
#include "app/grid_runner.h"
#include "app/grid_weights.h"
#include "app/options.h"
#include "app/run_lock.h"
#include "app/version.h"
#include "kernels/files.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

struct RunOptions {
  GridChoice choice;
  std::string data, weights_dir, out;
  std::string device, dtype;  // empty: as the file says
  int threads = 0;
  bool no_cache = false;
  std::string cache_limit, image_cache;  // likewise
  std::int64_t checkpoint_steps = 0;
  int jobs = 1;
  bool dry_run = false, fail_fast = false, keep_going = false, json = false;
  std::string roof;
};

/// What the command line says of devices is part of an experiment, as if the file said it; the rest concerns the
/// machine only.
grid::GridFile read_grid(const RunOptions& options) {
  GridChoice choice = options.choice;
  if (!options.device.empty()) choice.overrides.push_back("train.device=" + options.device);
  if (!options.dtype.empty()) choice.overrides.push_back("train.dtype=" + options.dtype);
  grid::GridFile grid = read_grid_file(choice);
  for (grid::Experiment& experiment : grid.experiments) {
    nlohmann::json& s = experiment.settings;
    if (options.threads != 0) s["threads"] = options.threads;
    if (options.no_cache) s["no_cache"] = true;
    if (!options.cache_limit.empty()) s["cache_limit"] = options.cache_limit;
    if (!options.image_cache.empty()) s["image_cache"] = options.image_cache;
    if (options.checkpoint_steps != 0) s["checkpoint_steps"] = options.checkpoint_steps;
  }
  return grid;
}

/// What the folder of the grid says of itself.
nlohmann::json grid_json(const grid::GridFile& grid, const GridPlan& plan, const RunOptions& options,
                         const nlohmann::json& machine) {
  nlohmann::json rows = nlohmann::json::array();
  for (const grid::Experiment& e : grid.experiments) {
    nlohmann::json row = {{"index", e.index},
                          {"id", e.id},
                          {"name", e.name},
                          {"folder", e.folder()},
                          {"model", e.settings.at("model")},
                          {"unfreeze", e.settings.at("unfreeze")},
                          {"epochs", e.settings.at("epochs")},
                          {"seed", e.settings.at("seed")},
                          {"settings", e.settings},
                          {"published", e.published}};
    const auto planned = std::find_if(plan.experiments.begin(), plan.experiments.end(),
                                      [&e](const PlannedExperiment& p) { return p.experiment.id == e.id; });
    row["cut"] = planned->cost.cut_name;
    row["cut_index"] = planned->cost.cut;
    row["trainable_parameters"] = planned->cost.trainable_parameters;
    row["predicted"] = {
        {"seconds", planned->seconds}, {"memory_bytes", planned->memory_bytes}, {"cache_bytes", planned->cache_bytes}};
    rows.push_back(std::move(row));
  }
  return {{"thaw", version()},
          {"title", grid.title},
          {"file", options.choice.file},
          {"file_sha256", grid.sha256},
          {"overrides", options.choice.overrides},
          {"machine", machine},
          {"published", grid.published},
          {"experiments", rows}};
}

/// The chosen experiments that have no result yet, in the plan's order.
GridPlan left_to_run(const GridPlan& plan, const std::vector<grid::Experiment>& chosen, const fs::path& out) {
  GridPlan left;
  for (const PlannedExperiment& planned : plan.experiments) {
    const bool wanted = std::any_of(chosen.begin(), chosen.end(),
                                    [&](const grid::Experiment& e) { return e.id == planned.experiment.id; });
    if (!wanted) continue;
    const fs::path folder = out / planned.experiment.folder();
    if (is_finished_run(folder)) {
      tidy_finished_run(folder);
      continue;
    }
    left.experiments.push_back(planned);
    left.seconds += planned.seconds;
  }
  return left;
}

void check(const RunOptions& options) {
  const auto need = [](const std::string& given, const char* option, const char* what) {
    if (given.empty()) fail(ErrorKind::usage, "{} is needed: {}; see `thaw grid run --help`", option, what);
  };
  need(options.data, "--data", "a folder of class folders, or a .tgz of one");
  if (!options.dry_run) need(options.out, "--out", "the folder for the results, also of a grid that goes on");
  require_option(options.jobs >= 1 && options.jobs <= 64, "--jobs", "1 to 64", options.jobs);
  require_option(options.threads >= 0 && options.threads <= max_threads, "--threads", "0 (all) to 1024",
                 options.threads);
  if (options.fail_fast && options.keep_going) {
    fail(ErrorKind::usage, "--fail-fast and --keep-going do not go together; give one of them");
  }
  if (!options.roof.empty() && !options.dry_run) {
    fail(ErrorKind::usage, "--roof says what another machine does at most, so it goes with --dry-run only");
  }
}

std::vector<fs::path> weight_folders(const RunOptions& options) {
  if (options.weights_dir.empty()) return standard_weight_folders();
  if (!fs::is_directory(options.weights_dir)) {
    fail(ErrorKind::data, "--weights-dir '{}' is no folder; give the one with the .h5 files", options.weights_dir);
  }
  return {options.weights_dir};
}

int dry_run(const GridPlan& plan, const RunOptions& options, const std::vector<fs::path>& folders, Console& console) {
  std::set<std::string> missing;
  for (const PlannedExperiment& planned : plan.experiments) {
    try {
      static_cast<void>(find_weights(planned.settings.weights, planned.settings.model, folders));
    } catch (const Error& error) {
      missing.insert(error.what());
    }
  }
  if (options.json) {
    nlohmann::json report = to_json(plan);
    report["missing"] = missing;
    print_json(console.out, report);
    return 0;
  }
  console.out << to_table(plan);
  for (const std::string& text : missing) console.out << "missing: " << text << "\n";
  return 0;
}

/// A plan for this machine, and what was measured of it. The devices are closed again: the runner opens its own.
struct PlanHere {
  GridPlan plan;
  nlohmann::json machine;
};

PlanHere plan_here(const std::vector<grid::Experiment>& experiments, const RunOptions& options, SharedInputs& shared) {
  GridBasis measured({.data = options.data, .out = options.out, .threads = options.threads, .roof = options.roof},
                     shared);
  const TrainSettings first = grid_settings_of(experiments.front());
  GridPlan plan = plan_grid(experiments, measured.get(first));
  return {std::move(plan), measured.machine(first)};
}

int run_grid(const RunOptions& options, Console& console) {
  check(options);
  const grid::GridFile grid = read_grid(options);
  const std::vector<grid::Experiment> chosen = matching(grid, options.choice.match);
  const std::vector<fs::path> folders = weight_folders(options);
  const TrainSettings first = grid_settings_of(chosen.front());
  SharedInputs shared(
      parse_bytes(first.image_cache, "--image-cache"),
      {.memory_limit = parse_bytes(first.cache_limit, "--cache-limit"), .folder = cache_folder() / "prefix"});
  if (options.dry_run) return dry_run(plan_here(chosen, options, shared).plan, options, folders, console);

  const auto [plan, machine] = plan_here(grid.experiments, options, shared);
  const fs::path out(options.out);
  require_writable(out / "grid.json");
  const RunLock lock(out);
  write_file_atomically(out / "grid.json", grid_json(grid, plan, options, machine).dump(2) + "\n");
  GridPlan left = left_to_run(plan, chosen, out);
  std::ostream& say = options.json ? console.err : console.out;
  say << fmt::format("{}: {} experiments, {} finished before, {} to run, about {}\n",
                     grid.title.empty() ? options.choice.file : grid.title, chosen.size(),
                     chosen.size() - left.experiments.size(), left.experiments.size(), seconds_text(left.seconds))
      << std::flush;
  const SignalGuard signals;
  const GridRunnerOptions how{.out = out,
                              .data = options.data,
                              .weight_folders = folders,
                              .jobs = options.jobs,
                              .fail_fast = options.fail_fast,
                              .quiet = options.json};
  const int code = GridRunner(std::move(left), how, shared, signals, console).run();
  if (code > exit_failed) return code;
  write_grid_report(out);
  const GridStatus status = status_of(out);
  if (options.json) {
    print_json(console.out, to_json(status));
  } else {
    console.out << "\n" << to_table(status) << fmt::format("report   {}\n", (out / "report.html").string());
  }
  return code;
}

}  // namespace

void add_grid_run(CLI::App& grid, Action& action) {
  CLI::App* command = add_command(
      grid, "run", "Run the experiments of a file, or go on with them: what is finished is skipped.",
      "thaw grid run experiments/paper.toml --data flower_photos.tgz --weights-dir weights --out runs/paper\n"
      "  thaw grid run experiments/paper.toml --data flower_photos.tgz --dry-run\n"
      "  thaw grid run experiments/small_flowers.toml --data flower_photos.tgz --out runs/small --set train.seed=1");
  auto options = std::make_shared<RunOptions>();
  add_grid_choice(command, options->choice);
  command->add_option("--data", options->data, "a folder of class folders, or a .tgz of one");
  command->add_option("--weights-dir", options->weights_dir,
                      "where the networks' .h5 files are; left out: $THAW_ASSETS, then the cache folder");
  command->add_option("--out", options->out, "folder for the results, a folder in it for each experiment");
  command->add_flag("--dry-run", options->dry_run,
                    "only say what would be done: cuts, sharing, predicted time and memory");
  command->add_option("--roof", options->roof,
                      "with --dry-run: GFLOP/s,GB/s of another machine, instead of this one's as measured");
  command->add_option("--jobs", options->jobs, "experiments at a time, on the cores divided between them");
  command->add_flag("--fail-fast", options->fail_fast, "stop at the first experiment that fails");
  command->add_flag("--keep-going", options->keep_going, "note an experiment that fails and go on (the default)");
  command->add_option("--device", options->device, "auto, cpu, cuda or reference; left out: as the file says");
  command->add_option("--dtype", options->dtype, "f32, bf16 or auto; left out: as the file says");
  command->add_option("--threads", options->threads, "processor threads; 0: all");
  command->add_flag("--no-cache", options->no_cache, "compute frozen parts again in every epoch of every experiment");
  command->add_option("--cache-limit", options->cache_limit,
                      "memory for frozen parts' outputs (else 2GiB); more goes to files");
  command->add_option("--image-cache", options->image_cache, "memory for decoded photos (else 2GiB)");
  command->add_option("--checkpoint-steps", options->checkpoint_steps,
                      "save an experiment's state after so many steps as well as after each epoch; 0: only then");
  add_json_option(command, options->json);
  set_action(command, options, action, run_grid);
}

}  // namespace thaw
