#include "app/train_start.h"

#include "app/options.h"
#include "kernels/error.h"

namespace thaw {

BegunRun read_begun_run(const RunFolder& folder) {
  const nlohmann::json saved = folder.read_json(RunFolder::kSettings);
  try {
    return {.settings = train_settings_from(saved.at("settings")), .digests = saved.at("digests")};
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::data, "'{}' cannot be read ({}); it is of another version of thaw",
         folder.file(RunFolder::kSettings).string(), reason_of(error));
  }
}

int train_in(const RunFolder& folder, TrainSettings settings, const std::optional<BegunRun>& begun, Console& console,
             const RunSurroundings& surroundings) {
  const auto start = std::chrono::steady_clock::now();
  TrainInputs inputs = open_train_inputs(settings, console, surroundings);
  if (begun && inputs.digests != begun->digests) {
    const bool photos = inputs.digests.at("data_sha256") != begun->digests.value("data_sha256", "");
    fail(ErrorKind::data, "{} '{}' changed since the run in '{}' began; put the old content back or start a new run",
         photos ? "the photos in" : "the weights file", photos ? settings.data : settings.weights,
         folder.path().string());
  }
  TrainingRun run(settings, std::move(inputs), folder, console, surroundings);
  run.data_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (begun) run.restore(begun->settings.epochs);
  return run.run();
}

}  // namespace thaw
