#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/commands.h"
#include "app/options.h"
#include "app/train_start.h"
#include "kernels/error.h"

namespace thaw {

namespace {

struct TrainOptions {
  TrainSettings settings;
  std::string out;
  std::string resume;
  bool json = false;
  CLI::App* command = nullptr;

  [[nodiscard]] bool given(const char* option) const { return command->count(option) > 0; }
};

void require_given(const TrainOptions& options, const char* option, const char* what) {
  if (!options.given(option) || options.command->get_option(option)->as<std::string>().empty()) {
    fail(ErrorKind::usage, "{} is needed: {}; see `thaw train --help`", option, what);
  }
}

int start_run(const TrainOptions& options, Console& console) {
  require_given(options, "--weights", "a .h5 file, none (random) or synth");
  require_given(options, "--data", "a folder of class folders, or a .tgz of one");
  require_given(options, "--out", "the folder for the results of a new run (or --resume for an old one)");
  options.settings.check();
  const SignalGuard signals;
  const bool existed = std::filesystem::exists(options.out);
  try {
    return train_in(RunFolder::create(options.out), options.settings, std::nullopt, console,
                    {.signals = signals, .voice = {.json = options.json}});
  } catch (...) {
    std::error_code ignored;  // an empty folder would only confuse; remove takes no other
    if (!existed) std::filesystem::remove(options.out, ignored);
    throw;
  }
}

int resume_run(const TrainOptions& options, Console& console) {
  constexpr std::array<std::string_view, 6> allowed = {"resume",  "epochs", "checkpoint-steps",
                                                       "threads", "json",   "help"};
  for (const CLI::Option* option : options.command->get_options()) {
    const std::string name = option->get_lnames().empty() ? option->get_name() : option->get_lnames().front();
    if (option->count() > 0 && std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      fail(ErrorKind::usage,
           "--{} cannot be changed by --resume: the run goes on as it was begun; only --epochs, --checkpoint-steps, "
           "--threads and --json may be given",
           name);
    }
  }
  const RunFolder folder = RunFolder::open(options.resume);
  const BegunRun begun = read_begun_run(folder);
  TrainSettings settings = begun.settings;
  if (options.given("--epochs")) settings.epochs = options.settings.epochs;
  if (options.given("--threads")) settings.threads = options.settings.threads;
  if (options.given("--checkpoint-steps")) settings.checkpoint_steps = options.settings.checkpoint_steps;
  settings.check();
  if (folder.has(RunFolder::kResult) && settings.epochs <= begun.settings.epochs) {
    fail(ErrorKind::usage, "the run in '{}' is finished; give --epochs above {} to train on", options.resume,
         begun.settings.epochs);
  }
  const SignalGuard signals;
  return train_in(folder, settings, begun, console, {.signals = signals, .voice = {.json = options.json}});
}

int run_train(const TrainOptions& options, Console& console) {
  return options.resume.empty() ? start_run(options, console) : resume_run(options, console);
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  CLI::App* command = add_command(
      app, "train", "Fine-tune a network on photos and report its accuracy.",
      "thaw train --model mobilenet_v3_small --weights mobilenet_v3_small_imagenet_notop.h5 \\\n"
      "    --data flower_photos.tgz --unfreeze blocks:3 --bn inference --lr 5e-4 --dropout 0.2 --out runs/first\n"
      "  thaw train --resume runs/first              # after Ctrl-C\n"
      "  thaw train --resume runs/first --epochs 20  # train on");
  auto options = std::make_shared<TrainOptions>();
  options->command = command;
  add_training_options(command, options->settings);
  command->add_option("--out", options->out, "folder for the results of a new run");
  command->add_option("--resume", options->resume, "folder of a run to go on with; --epochs may be raised");
  add_json_option(command, options->json);
  set_action(command, options, action, run_train);
}

}  // namespace thaw
