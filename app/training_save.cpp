#include <fmt/format.h>

#include "app/training_run.h"
#include "app/version.h"
#include "kernels/error.h"
#include "models/weight_spec.h"

namespace thaw {

WeightFile TrainingRun::weights_now(const EpochMetrics& metrics) const {
  WeightFile file{.set = collect_weights(*inputs_.session.network), .metadata = {}};
  file.set.source = fmt::format("thaw {} from {}", version(), inputs_.session.weights_source);
  file.set.source_sha256 = inputs_.session.weights_sha256;
  ModelCard card = inputs_.session.card;
  card.training = {{"recipe", recipe_of(settings_)},
                   {"digests", inputs_.digests},
                   {"epoch", metrics.epoch},
                   {"val_accuracy", metrics.validation.accuracy}};
  file.metadata = card.metadata();
  return file;
}

// A checkpoint that knows of a best epoch must never be there without that epoch's weights, which are gone from memory
// once training goes on; so they come first. What follows the checkpoint can be made again from it.
void TrainingRun::save() {
  if (unsaved_best_) unsaved_best_->write(folder_.file(RunFolder::kBest));
  unsaved_best_.reset();
  write_checkpoint_file();
  folder_.write_metrics(history_);
  saved_ = true;
}

void TrainingRun::save_if_possible() {
  try {
    save();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::failed) throw;
    without_room_ = true;
    progress_.clear();
    console_.err << fmt::format("thaw: {}; training goes on and tries again at the next checkpoint", error.what())
                 << std::endl;
    return;
  }
  if (!without_room_) return;
  without_room_ = false;
  progress_.clear();
  console_.err << fmt::format("thaw: '{}' can be written again and holds all that was done", folder_.path().string())
               << std::endl;
}

void TrainingRun::checkpoint_between_steps(const Progress& progress) {
  if (progress.phase != Progress::Phase::train || settings_.checkpoint_steps == 0) return;
  const bool due = position_.step % settings_.checkpoint_steps == 0;
  // The last step of an epoch is followed by its own checkpoint, an interrupted one likewise.
  if (!due || progress.done >= progress.total || signals_.requested()) return;
  book_training_time();
  save_if_possible();
  booked_ = Clock::now();
}

void TrainingRun::book_training_time() {
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - booked_).count();
  booked_ = now;
  epoch_seconds_ += seconds;
  timing_.train += seconds;
}

int TrainingRun::interrupted() {
  progress_.clear();
  try {
    save();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::failed) throw;
    fail(ErrorKind::failed,
         "stopped, but what was done since the last checkpoint could not be saved: {}; "
         "{} goes on from that checkpoint",
         error.what(), go_on());
  }
  console_.err
      << fmt::format(
             "thaw: {}stopped in epoch {} behind {} of its steps; all of it is saved, and {} goes on from there",
             voice_.label, position_.epoch + 1, position_.batch, go_on())
      << std::endl;
  return signals_.exit_code();
}

std::string TrainingRun::go_on() const {
  return voice_.go_on.empty() ? fmt::format("`thaw train --resume {}`", folder_.path().string()) : voice_.go_on;
}

void TrainingRun::complete(const std::function<void()>& write) {
  try {
    write();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::failed) throw;
    fail(ErrorKind::failed, "{}; nothing is lost: once that is possible, {} completes the run", error.what(), go_on());
  }
}

}  // namespace thaw
