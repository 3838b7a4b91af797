#include "app/training_run.h"

#include <fmt/format.h>

#include <cmath>

#include "framework/optimizer.h"
#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::shared_ptr<DevicePhotos> photos_of(const TrainInputs& inputs, const RunSurroundings& surroundings) {
  const std::shared_ptr<Backend>& backend = inputs.session.device.backend;
  return surroundings.shared != nullptr ? surroundings.shared->on_device(inputs.dataset, backend) : photos_on(backend);
}

}  // namespace

TrainingRun::TrainingRun(TrainSettings settings, TrainInputs inputs, RunFolder folder, Console& console,
                         const RunSurroundings& surroundings)
    : settings_(std::move(settings)),
      inputs_(std::move(inputs)),
      folder_(std::move(folder)),
      console_(console),
      voice_(surroundings.voice),
      prefixes_(surroundings.shared != nullptr ? surroundings.shared->prefixes() : nullptr),
      prefix_ready_(surroundings.prefix_ready),
      say_(voice_.json ? console.err : console.out),
      progress_(console),
      images_(inputs_.dataset,
              {.size = settings_.size,
               .threads = settings_.threads,
               .augment = {.flip = settings_.flip, .crop = settings_.crop, .seed = settings_.seed},
               .on_device = photos_of(inputs_, surroundings)},
              surroundings.shared != nullptr ? surroundings.shared->decoded(inputs_.dataset) : nullptr),
      trainer_(make_trainer()),
      signals_(surroundings.signals),
      best_rule_(true, settings_.early_stop, 0.0) {}

std::unique_ptr<Trainer> TrainingRun::make_trainer() {
  const auto photos = static_cast<std::int64_t>(inputs_.split.train.size());
  const std::int64_t steps = (photos + settings_.batch - 1) / settings_.batch;
  TrainerOptions options{.batch = settings_.batch,
                         .seed = settings_.seed,
                         .schedule = settings_.learning_rates(steps),
                         .cache_prefix = !settings_.no_cache};
  options.cache = {.memory_limit = parse_bytes(settings_.cache_limit, "--cache-limit"),
                   .folder = cache_folder() / "prefix"};
  options.prefixes = prefixes_;
  auto trainer = std::make_unique<Trainer>(*inputs_.session.network, inputs_.session.context(), images_,
                                           make_optimizer(settings_.optimizer), options);
  trainer->stop_requested = [this] { return signals_.requested(); };
  trainer->on_progress = [this](const Progress& progress) {
    show(progress);
    checkpoint_between_steps(progress);
  };
  // A cached prefix sees every photo once, so that keeping decoded photos would be memory for nothing.
  if (prefixes_ == nullptr && !trainer->why_uncached().empty())
    images_.keep_decoded(parse_bytes(settings_.image_cache, "--image-cache"));
  return trainer;
}

void TrainingRun::begin(Progress::Phase phase, std::string label, std::size_t total, std::int64_t done) {
  phase_ = phase;
  progress_.begin(voice_.label + std::move(label), static_cast<std::int64_t>(total), done);
}

void TrainingRun::show(const Progress& progress) {
  if (progress.phase != phase_) return;
  if (progress.phase != Progress::Phase::train || progress.sums.images == 0) {
    progress_.update(progress.done);
    return;
  }
  progress_.update(
      progress.done,
      fmt::format("loss {:.4f}  accuracy {}", mean_loss(progress.sums), percent_text(accuracy(progress.sums))),
      seconds_left());
}

double TrainingRun::seconds_left() const {
  if (epochs_here_ == 0) return -1;
  return seconds_here_ / epochs_here_ * (settings_.epochs - position_.epoch - 1) + voice_.seconds_behind();
}

int TrainingRun::run() {
  try {
    return train_to_the_end();
  } catch (...) {
    // With nothing to go on from, the same command must be able to start again in this folder.
    std::error_code ignored;
    const bool begun = restored_ || without_room_ || folder_.has(RunFolder::kCheckpoint);
    if (!begun) std::filesystem::remove(folder_.file(RunFolder::kSettings), ignored);
    throw;
  }
}

int TrainingRun::train_to_the_end() {
  timing_.data += data_seconds;
  std::error_code ignored;
  std::filesystem::remove(folder_.file(RunFolder::kResult), ignored);  // of a finished run that is trained on
  write_settings();
  print_header();
  if (!prepare()) return interrupted();
  while (position_.epoch < settings_.epochs && !best_rule_.should_stop()) {
    if (signals_.requested() || !train_one_epoch()) return interrupted();
    finish_epoch();
  }
  finish();
  return 0;
}

bool TrainingRun::prepare() {
  const auto start = Clock::now();
  std::vector<int> all = inputs_.split.train;
  all.insert(all.end(), inputs_.split.val.begin(), inputs_.split.val.end());
  all.insert(all.end(), inputs_.split.test.begin(), inputs_.split.test.end());
  bool finished = true;
  if (trainer_->why_uncached().empty()) {
    begin(Progress::Phase::prefix, "frozen part", all.size());
    finished = trainer_->prepare(all);
    if (finished) prefix_ready_(*trainer_->cache());
    timing_.prefix += seconds_since(start);
  } else if (settings_.bad_images == "stop" && !restored_) {
    begin(Progress::Phase::prefix, "checking photos", all.size());
    finished = images_.check(all, [this](std::int64_t done) {
      progress_.update(done);
      return !signals_.requested();
    });
    timing_.data += seconds_since(start);
  }
  progress_.clear();
  return finished;
}

bool TrainingRun::train_one_epoch() {
  booked_ = Clock::now();
  const std::int64_t done = std::int64_t{position_.batch} * settings_.batch;
  begin(Progress::Phase::train, fmt::format("epoch {}/{}", position_.epoch + 1, settings_.epochs),
        inputs_.split.train.size(), done);
  if (position_.batch == 0) {
    position_.sums = {};
    epoch_seconds_ = 0;
  }
  const bool finished = trainer_->train_epoch(inputs_.split.train, position_);
  progress_.clear();
  book_training_time();
  saved_ = false;
  return finished;
}

void TrainingRun::finish_epoch() {
  const auto start = Clock::now();
  EpochMetrics metrics{.epoch = position_.epoch,
                       .train_loss = mean_loss(position_.sums),
                       .train_accuracy = accuracy(position_.sums),
                       .learning_rate = trainer_->learning_rate(),
                       .train_seconds = epoch_seconds_};
  metrics.images_per_second = static_cast<double>(inputs_.split.train.size()) / std::max(epoch_seconds_, 1e-9);
  begin(Progress::Phase::evaluate, "validation", inputs_.split.val.size());
  metrics.validation = trainer_->evaluate(inputs_.split.val);
  if (settings_.train_eval == "each") {
    begin(Progress::Phase::evaluate, "training photos", inputs_.split.train.size());
    metrics.train_eval = trainer_->evaluate(inputs_.split.train);
  }
  progress_.clear();
  if (!std::isfinite(metrics.validation.loss)) {
    fail(ErrorKind::failed, "the validation loss became NaN or infinite in epoch {}: try a smaller --lr",
         metrics.epoch);
  }
  metrics.eval_seconds = seconds_since(start);
  timing_.evaluate += metrics.eval_seconds;
  const bool best = best_rule_.improved(metrics.validation.accuracy);
  if (best) {
    best_epoch_ = metrics.epoch;
    unsaved_best_ = weights_now(metrics);
  }
  history_.push_back(metrics);
  ++epochs_here_;
  seconds_here_ += metrics.train_seconds + metrics.eval_seconds;
  save_if_possible();
  print_epoch(metrics, best);
}

void TrainingRun::print_epoch(const EpochMetrics& metrics, bool best) {
  if (!voice_.epochs) return;
  say_ << fmt::format(
      "{}epoch {:>2}/{}  loss {:.4f}  accuracy {:>7}  val loss {:.4f}  val accuracy {:>7}{}  lr {:.3g}  {}",
      voice_.label, metrics.epoch, settings_.epochs, metrics.train_loss, percent_text(metrics.train_accuracy),
      metrics.validation.loss, percent_text(metrics.validation.accuracy), best ? " *" : "  ", metrics.learning_rate,
      seconds_text(metrics.train_seconds + metrics.eval_seconds));
  const int left = settings_.epochs - metrics.epoch;
  if (left > 0) say_ << fmt::format("  ETA {}", seconds_text(seconds_here_ / epochs_here_ * left));
  say_ << std::endl;
}

}  // namespace thaw
