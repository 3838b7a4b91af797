#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/options.h"
#include "app/training_run.h"
#include "app/version.h"
#include "app/whole_number.h"
#include "kernels/error.h"
#include "weights/checkpoint.h"

namespace thaw {

namespace {

constexpr std::string_view kParameter = "parameter/";
constexpr std::string_view kOptimizer = "optimizer/";

/// What training can change: the trainable weights, and the statistics that norms in training mode move. The rest comes
/// from the weights file again, which the digests guard.
bool is_state(const Parameter& parameter) {
  return parameter.trainable() || parameter.kind() == ParameterKind::statistic;
}

nlohmann::json position_json(const Position& position) {
  return {{"epoch", position.epoch},
          {"batch", position.batch},
          {"step", position.step},
          {"loss", position.sums.loss},
          {"correct", position.sums.correct},
          {"images", position.sums.images},
          {"not_finite", position.sums.not_finite}};
}

Position position_from(const nlohmann::json& json) {
  return {.epoch = whole_number<int>(json.at("epoch")),
          .batch = whole_number<int>(json.at("batch")),
          .step = whole_number<std::int64_t>(json.at("step")),
          .sums = {.loss = json.at("loss").get<double>(),
                   .correct = whole_number<std::int64_t>(json.at("correct")),
                   .images = whole_number<std::int64_t>(json.at("images")),
                   .not_finite = whole_number<std::int64_t>(json.at("not_finite"))}};
}

/// Puts the arrays that begin with `prefix` under their names without it.
std::map<std::string, std::vector<float>> arrays_of(const Checkpoint& checkpoint, std::string_view prefix) {
  std::map<std::string, std::vector<float>> arrays;
  for (const auto& [name, values] : checkpoint.arrays) {
    if (name.starts_with(prefix)) arrays[name.substr(prefix.size())] = values;
  }
  return arrays;
}

void restore_parameters(Network& network, const std::map<std::string, std::vector<float>>& arrays,
                        const std::string& file) {
  for (Parameter& parameter : network.parameters.all()) {
    if (!is_state(parameter)) continue;
    const auto found = arrays.find(parameter.name());
    if (found == arrays.end() || static_cast<std::int64_t>(found->second.size()) != parameter.count()) {
      fail(ErrorKind::data, "'{}' does not hold the {} values of '{}': it is of another model or selection", file,
           parameter.count(), parameter.name());
    }
    parameter.assign(found->second);
  }
}

}  // namespace

void TrainingRun::write_settings() const {
  folder_.write_json(RunFolder::kSettings, {{"thaw", version()},
                                            {"settings", to_json(settings_)},
                                            {"digests", inputs_.digests},
                                            {"weights_source", inputs_.session.weights_source},
                                            {"class_names", inputs_.dataset.class_names()},
                                            {"skipped", inputs_.skipped},
                                            {"split",
                                             {{"train", inputs_.split.train.size()},
                                              {"val", inputs_.split.val.size()},
                                              {"test", inputs_.split.test.size()}}}});
}

void TrainingRun::write_checkpoint_file() {
  Checkpoint checkpoint;
  nlohmann::json history = nlohmann::json::array();
  for (const EpochMetrics& metrics : history_) history.push_back(to_json(metrics));
  checkpoint.text = nlohmann::json{{"thaw", version()},
                                   {"position", position_json(position_)},
                                   {"optimizer_steps", trainer_->optimizer().steps()},
                                   {"history", history},
                                   {"epoch_seconds", epoch_seconds_},
                                   {"timing", to_json(timing_)}}
                        .dump();
  for (const Parameter& parameter : inputs_.session.network->parameters.all()) {
    if (is_state(parameter))
      checkpoint.arrays[fmt::format("{}{}", kParameter, parameter.name())] = parameter.value().to_floats();
  }
  for (const auto& [name, tensor] : trainer_->optimizer().state()) {
    checkpoint.arrays[fmt::format("{}{}", kOptimizer, name)] = tensor.to_floats();
  }
  write_checkpoint(folder_.file(RunFolder::kCheckpoint), checkpoint);
}

void TrainingRun::restore(int planned) {
  restored_ = true;
  const std::string file = folder_.file(RunFolder::kCheckpoint).string();
  const std::array<const char*, 3> names = {"", ".new", ".previous"};
  if (std::none_of(names.begin(), names.end(), [&](const char* end) { return std::filesystem::exists(file + end); })) {
    return;  // nothing was done yet
  }
  std::string note;
  const Checkpoint checkpoint = read_checkpoint(file, &note);
  if (!note.empty()) console_.err << "thaw: " << note << std::endl;
  try {
    restore_state(checkpoint, file);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::data, "'{}' cannot be read ({}); it is of another version of thaw", file, reason_of(error));
  }
  for (const EpochMetrics& metrics : history_) {
    if (best_rule_.improved(metrics.validation.accuracy)) best_epoch_ = metrics.epoch;
  }
  require_epochs(planned);
  if (best_epoch_ > 0) require_best_weights(planned);
}

void TrainingRun::restore_state(const Checkpoint& checkpoint, const std::string& file) {
  const nlohmann::json json = nlohmann::json::parse(checkpoint.text);
  position_ = position_from(json.at("position"));
  epoch_seconds_ = json.at("epoch_seconds").get<double>();
  timing_ = timing_from(json.at("timing"));
  for (const nlohmann::json& line : json.at("history")) history_.push_back(epoch_metrics_from(line));
  restore_parameters(*inputs_.session.network, arrays_of(checkpoint, kParameter), file);
  trainer_->optimizer().restore(json.at("optimizer_steps").get<std::int64_t>(), arrays_of(checkpoint, kOptimizer),
                                inputs_.session.network->parameters.trainable());
}

void TrainingRun::require_epochs(int planned) const {
  const int begun = position_.epoch + (position_.batch > 0 ? 1 : 0);
  if (settings_.epochs >= std::min(begun, planned)) return;
  fail(ErrorKind::usage, "--epochs {} is less than the {} that were begun in '{}'; give {} or more", settings_.epochs,
       begun, folder_.path().string(), begun);
}

/// best.h5 is ahead of the checkpoint where the run was killed between writing the two, or the newest checkpoint is
/// damaged. The same epochs then come again and write the same file, unless another number of epochs changes them.
void TrainingRun::require_best_weights(int planned) const {
  const std::filesystem::path file = folder_.file(RunFolder::kBest);
  if (!std::filesystem::exists(file)) {
    fail(ErrorKind::data, "'{}' with the weights of epoch {} is missing; put it back or start a new run", file.string(),
         best_epoch_);
  }
  const nlohmann::json training = read_model_card(file).training;
  const int epoch = training.is_object() ? training.value("epoch", 0) : 0;
  const bool ahead = epoch > position_.epoch;
  if (epoch == best_epoch_ || (ahead && settings_.epochs == planned)) return;
  if (ahead) {
    fail(ErrorKind::usage,
         "'{}' is of epoch {} and ahead of the checkpoint; run `thaw train --resume {}` without --epochs first",
         file.string(), epoch, folder_.path().string());
  }
  fail(ErrorKind::data, "'{}' does not hold the weights of epoch {}; put the run's own file back or start a new run",
       file.string(), best_epoch_);
}

}  // namespace thaw
