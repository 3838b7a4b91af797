#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "app/bench_options.h"
#include "app/cli.h"
#include "app/grid_options.h"
#include "app/grid_runner.h"
#include "app/grid_weights.h"
#include "app/options.h"
#include "app/run_lock.h"
#include "app/version.h"
#include "data/parallel.h"
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
  std::string cache_limit = "2GiB", image_cache = "2GiB";
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
    s["cache_limit"] = options.cache_limit;
    s["image_cache"] = options.image_cache;
    if (options.checkpoint_steps != 0) s["checkpoint_steps"] = options.checkpoint_steps;
  }
  return grid;
}

/// Seconds that reading, decoding and resizing a photo takes on all threads; bad photos are another step's business.
double decode_seconds(const Dataset& dataset, int threads) {
  const int count = std::min(64, dataset.size());
  std::vector<float> pixels(std::size_t{64} * 224 * 224 * 3);
  const auto start = std::chrono::steady_clock::now();
  parallel_for(count, threads, [&](int i) {
    try {
      resize_bilinear(dataset.load(i), 224, 224, pixels.data() + static_cast<std::size_t>(i) * 224 * 224 * 3);
    } catch (const Error&) {
      return;
    }
  });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / std::max(count, 1);
}

/// Measures what predictions need, each thing once.
class Basis {
 public:
  /// What an earlier run into the same folder measured on this device is good enough.
  Basis(const RunOptions& options, SharedInputs& shared) : options_(options), shared_(shared) {
    try {
      before_ = nlohmann::json::parse(read_file(fs::path(options.out) / "grid.json")).at("machine");
    } catch (const std::exception&) {
      before_ = nullptr;  // no earlier run
    }
  }

  PlanBasis get(const TrainSettings& first) {
    PlanBasis basis;
    basis.decode_seconds = decode_seconds(dataset(first), options_.threads);
    basis.photos = [this](const TrainSettings& s) { return photos(s); };
    basis.dtype = [this](const TrainSettings& s) { return device(s).dtype; };
    basis.roof = [this](Dtype dtype) { return roof(dtype); };
    return basis;
  }

  nlohmann::json machine(const TrainSettings& s) {
    nlohmann::json machine = describe(device(s).backend->info());
    for (const auto& [dtype, roof] : roofs_) {
      machine["roofs"][std::string(name_of(dtype))] = {{"gflops", roof.gflops}, {"gbs", roof.gbs}};
    }
    return machine;
  }

 private:
  static nlohmann::json describe(const DeviceInfo& info) {
    return {{"device", info.backend}, {"name", info.name}, {"threads", info.threads}};
  }

  /// As measured before; nothing where that was another device.
  [[nodiscard]] std::optional<microscope::Ceilings> known_roof(const DeviceInfo& info, Dtype dtype) const {
    try {
      const nlohmann::json now = describe(info);
      for (const auto& [key, value] : now.items()) {
        if (before_.at(key) != value) return std::nullopt;
      }
      const nlohmann::json& roof = before_.at("roofs").at(std::string(name_of(dtype)));
      return microscope::Ceilings{.gflops = roof.at("gflops").get<double>(), .gbs = roof.at("gbs").get<double>()};
    } catch (const nlohmann::json::exception&) {
      return std::nullopt;
    }
  }

  Dataset dataset(const TrainSettings& s) {
    return shared_.dataset(options_.data, {.bad = s.bad_images == "skip" ? BadImages::skip : BadImages::stop,
                                           .threads = options_.threads});
  }

  PlanBasis::Photos photos(const TrainSettings& s) {
    const Dataset all = dataset(s);
    const Split split = split_dataset(all, s.split);
    return {.all = all.size(),
            .train = static_cast<int>(split.train.size()),
            .val = static_cast<int>(split.val.size()),
            .test = static_cast<int>(split.test.size()),
            .classes = all.class_count()};
  }

  const Device& device(const TrainSettings& s) {
    const auto key = std::pair(s.device, s.dtype);
    const auto found = devices_.find(key);
    if (found != devices_.end()) return found->second;
    return devices_.emplace(key, open_device({.device = s.device, .dtype = s.dtype, .threads = s.threads}))
        .first->second;
  }

  microscope::Ceilings roof(Dtype dtype) {
    if (const auto given = given_roof(options_.roof)) return *given;
    const auto found = roofs_.find(dtype);
    if (found != roofs_.end()) return found->second;
    Backend& backend = *devices_.begin()->second.backend;
    const auto known = known_roof(backend.info(), dtype);
    return roofs_.emplace(dtype, known ? *known : microscope::measure_ceilings(backend, dtype, backend.info().threads))
        .first->second;
  }

  const RunOptions& options_;
  SharedInputs& shared_;
  std::map<std::pair<std::string, std::string>, Device> devices_;
  std::map<Dtype, microscope::Ceilings> roofs_;
  nlohmann::json before_;
};

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

int run_grid(const RunOptions& options, Console& console) {
  check(options);
  const grid::GridFile grid = read_grid(options);
  const std::vector<grid::Experiment> chosen = matching(grid, options.choice.match);
  const std::vector<fs::path> folders = weight_folders(options);
  SharedInputs shared(
      parse_bytes(options.image_cache, "--image-cache"),
      {.memory_limit = parse_bytes(options.cache_limit, "--cache-limit"), .folder = cache_folder() / "prefix"});
  Basis measured(options, shared);
  const TrainSettings first = grid_settings_of(chosen.front());
  const PlanBasis basis = measured.get(first);
  if (options.dry_run) return dry_run(plan_grid(chosen, basis), options, folders, console);

  const GridPlan plan = plan_grid(grid.experiments, basis);
  const fs::path out(options.out);
  require_writable(out / "grid.json");
  const RunLock lock(out);
  write_file_atomically(out / "grid.json", grid_json(grid, plan, options, measured.machine(first)).dump(2) + "\n");
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
  command->add_option("--cache-limit", options->cache_limit, "memory for frozen parts' outputs; more goes to files");
  command->add_option("--image-cache", options->image_cache, "memory for decoded photos");
  command->add_option("--checkpoint-steps", options->checkpoint_steps,
                      "save an experiment's state after so many steps as well as after each epoch; 0: only then");
  add_json_option(command, options->json);
  set_action(command, options, action, run_grid);
}

}  // namespace thaw
