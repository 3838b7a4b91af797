#include <fmt/format.h>

#include "app/training_run.h"
#include "app/version.h"
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
  return {.epoch = json.at("epoch").get<int>(),
          .batch = json.at("batch").get<int>(),
          .step = json.at("step").get<std::int64_t>(),
          .sums = {.loss = json.at("loss").get<double>(),
                   .correct = json.at("correct").get<std::int64_t>(),
                   .images = json.at("images").get<std::int64_t>(),
                   .not_finite = json.at("not_finite").get<std::int64_t>()}};
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

void TrainingRun::save_checkpoint() {
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

void TrainingRun::restore() {
  restored_ = true;
  const std::string file = folder_.file(RunFolder::kCheckpoint).string();
  if (!folder_.has(RunFolder::kCheckpoint) && !folder_.has("checkpoint.thaw.previous")) return;  // nothing done yet
  std::string note;
  const Checkpoint checkpoint = read_checkpoint(file, &note);
  if (!note.empty()) console_.err << "thaw: " << note << std::endl;
  try {
    const nlohmann::json json = nlohmann::json::parse(checkpoint.text);
    position_ = position_from(json.at("position"));
    epoch_seconds_ = json.at("epoch_seconds").get<double>();
    timing_ = timing_from(json.at("timing"));
    for (const nlohmann::json& line : json.at("history")) history_.push_back(epoch_metrics_from(line));
    restore_parameters(*inputs_.session.network, arrays_of(checkpoint, kParameter), file);
    trainer_->optimizer().restore(json.at("optimizer_steps").get<std::int64_t>(), arrays_of(checkpoint, kOptimizer),
                                  inputs_.session.network->parameters.trainable());
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::data, "'{}' cannot be read ({}); it is of another version of thaw", file, error.what());
  }
  for (const EpochMetrics& metrics : history_) {
    if (best_rule_.improved(metrics.validation.accuracy)) best_epoch_ = metrics.epoch;
  }
}

}  // namespace thaw
