#include <fmt/format.h>

#include "app/training_run.h"
#include "app/version.h"
#include "models/weight_spec.h"
#include "weights/thaw_h5.h"

namespace thaw {

namespace {

nlohmann::json or_null(const std::optional<Evaluation>& evaluation, double Evaluation::*value) {
  return evaluation ? nlohmann::json(*evaluation.*value) : nlohmann::json();
}

std::int64_t base_trainable(const Network& network) {
  std::int64_t count = 0;
  for (const LayerInfo& row : network.layers.rows()) {
    for (const Parameter* parameter : row.parameters) {
      if (!row.head && parameter->trainable()) count += parameter->count();
    }
  }
  return count;
}

std::string cut_text(const Network& network, std::size_t cut) {
  return cut < network.stages.size() ? network.stages[cut].name : std::string("end");
}

}  // namespace

void TrainingRun::print_header() {
  if (voice_.brief) return;
  const Session& session = inputs_.session;
  const Network& network = *session.network;
  if (are_drawn(inputs_.dataset.class_names())) say_ << bold(console_, kDrawnNotice) << "\n";
  say_ << fmt::format("model    {} {}x{} on {} ({}, {} threads), weights: {}\n", network.id, network.size, network.size,
                      settings_.device, settings_.dtype, session.device.backend->info().threads,
                      session.weights_source);
  say_ << fmt::format("photos   {} in {} classes: {} train, {} validation, {} test\n",
                      count_text(inputs_.dataset.size()), inputs_.dataset.class_count(),
                      count_text(static_cast<std::int64_t>(inputs_.split.train.size())),
                      count_text(static_cast<std::int64_t>(inputs_.split.val.size())),
                      count_text(static_cast<std::int64_t>(inputs_.split.test.size())));
  say_ << fmt::format("training {} with batch norm {}: {} parameters train ({} of them in the base), cut before {}\n",
                      settings_.unfreeze, settings_.bn, count_text(network.parameters.trainable_count()),
                      count_text(base_trainable(network)), cut_text(network, trainer_->cut()));
  say_ << fmt::format("prefix   {}\n", trainer_->why_uncached().empty()
                                           ? std::string("computed once and reused by every epoch")
                                           : "computed in every epoch: " + trainer_->why_uncached());
  for (const std::string& note : session.notes) say_ << "note     " << note << "\n";
  if (session.head_loaded) say_ << "note     the classifier of the weights file is trained on\n";
  if (restored_) {
    say_ << fmt::format("resumed  in epoch {} behind {} of its steps\n", position_.epoch + 1, position_.batch);
  }
  say_ << std::flush;
}

Evaluation TrainingRun::test_of_best(const Evaluation& last) {
  if (best_epoch_ == static_cast<int>(history_.size())) return last;
  load_weights(*inputs_.session.network, read_thaw_h5(folder_.file(RunFolder::kBest)), true);
  return trainer_->evaluate(inputs_.split.test);
}

ConfusionMatrix TrainingRun::test_matrix(const Evaluation& test) const {
  std::vector<int> labels;
  for (const int image : inputs_.split.test) labels.push_back(images_.label(image));
  return confusion_matrix(labels, test.predictions, inputs_.dataset.class_count());
}

void TrainingRun::finish() {
  const auto start = Clock::now();
  if (!saved_) complete([this] { save(); });
  EpochMetrics& final = history_.back();
  complete([&] { weights_now(final).write(folder_.file(RunFolder::kLast)); });
  if (settings_.train_eval == "last") {
    begin(Progress::Phase::evaluate, "training photos", inputs_.split.train.size());
    final.train_eval = trainer_->evaluate(inputs_.split.train);
  }
  begin(Progress::Phase::evaluate, "test", inputs_.split.test.size());
  const Evaluation test = trainer_->evaluate(inputs_.split.test);
  const Evaluation best_test = test_of_best(test);
  progress_.clear();
  timing_.evaluate += std::chrono::duration<double>(Clock::now() - start).count();
  const nlohmann::json result = report(test, best_test);
  complete([&] { folder_.write_json(RunFolder::kResult, result); });
  if (voice_.json) console_.out << result.dump(2) << "\n";
  if (!voice_.brief) print_summary(result, test_matrix(test));
}

nlohmann::json TrainingRun::report(const Evaluation& test, const Evaluation& best_test) const {
  const Network& network = *inputs_.session.network;
  const EpochMetrics& last = history_.back();
  const Evaluation& best = history_[static_cast<std::size_t>(best_epoch_ - 1)].validation;
  const DeviceInfo info = inputs_.session.device.backend->info();
  double train_seconds = 0;
  for (const EpochMetrics& metrics : history_) train_seconds += metrics.train_seconds;
  const double images = static_cast<double>(inputs_.split.train.size() * history_.size());
  nlohmann::json result = {
      {"thaw", version()},
      {"drawn_photos", are_drawn(inputs_.dataset.class_names())},
      {"model", network.id},
      {"settings", to_json(settings_)},
      {"device", {{"backend", info.backend}, {"name", info.name}, {"threads", info.threads}}},
      {"dtype", settings_.dtype},
      {"weights_source", inputs_.session.weights_source},
      {"weights_sha256", inputs_.session.weights_sha256},
      {"data_sha256", inputs_.digests.at("data_sha256")},
      {"class_names", inputs_.dataset.class_names()},
      {"photos", inputs_.dataset.size()},
      {"skipped", inputs_.skipped},
      {"split",
       {{"train", inputs_.split.train.size()}, {"val", inputs_.split.val.size()}, {"test", inputs_.split.test.size()}}},
      {"parameters", 0},
      {"trainable_parameters", network.parameters.trainable_count()},
      {"base_trainable_parameters", base_trainable(network)},
      {"cut", cut_text(network, trainer_->cut())},
      {"cut_index", trainer_->cut()},
      {"prefix_cached", trainer_->why_uncached().empty()},
      {"epochs", history_.size()},
      {"steps", position_.step},
      {"stopped_early", static_cast<int>(history_.size()) < settings_.epochs},
  };
  std::int64_t parameters = 0;
  for (const Parameter& parameter : network.parameters.all()) parameters += parameter.count();
  result["parameters"] = parameters;
  result["train_loss"] = last.train_loss;
  result["train_accuracy"] = last.train_accuracy;
  result["train_eval_loss"] = or_null(last.train_eval, &Evaluation::loss);
  result["train_eval_accuracy"] = or_null(last.train_eval, &Evaluation::accuracy);
  result["val_loss"] = last.validation.loss;
  result["val_accuracy"] = last.validation.accuracy;
  result["test_loss"] = test.loss;
  result["test_accuracy"] = test.accuracy;
  result["best_epoch"] = best_epoch_;
  result["best_val_loss"] = best.loss;
  result["best_val_accuracy"] = best.accuracy;
  result["best_test_loss"] = best_test.loss;
  result["best_test_accuracy"] = best_test.accuracy;
  result["confusion_matrix"] = test_matrix(test);
  result["seconds"] = to_json(timing_);
  result["images_per_second"] = images / std::max(train_seconds, 1e-9);
  result["peak_memory_bytes"] = peak_memory_bytes();
  result["device_peak_memory_bytes"] = inputs_.session.device.backend->stats().peak_bytes;
  return result;
}

void TrainingRun::print_summary(const nlohmann::json& result, const ConfusionMatrix& matrix) {
  const auto share = [&result](const char* key) { return percent_text(result.at(key).get<double>()); };
  Table table({"accuracy", ">last epoch", fmt::format(">best epoch ({})", best_epoch_)});
  table.add({"train (running)", share("train_accuracy"),
             percent_text(history_[static_cast<std::size_t>(best_epoch_ - 1)].train_accuracy)});
  if (!result.at("train_eval_accuracy").is_null()) table.add({"train", share("train_eval_accuracy"), ""});
  table.add({"validation", share("val_accuracy"), share("best_val_accuracy")});
  table.add({"test", bold(console_, share("test_accuracy")), share("best_test_accuracy")});
  say_ << "\n" << table.text() << "\nTest photos, last epoch:\n";
  say_ << confusion_table(matrix, inputs_.dataset.class_names()) << "\n";
  say_ << fmt::format(
      "time     {} (photos {}, frozen part {}, training {}, evaluation {}); {:.0f} photos/s in training\n",
      seconds_text(timing_.total()), seconds_text(timing_.data), seconds_text(timing_.prefix),
      seconds_text(timing_.train), seconds_text(timing_.evaluate), result.at("images_per_second").get<double>());
  say_ << fmt::format("memory   {} at most\n", bytes_text(result.at("peak_memory_bytes").get<std::uint64_t>()));
  if (!inputs_.skipped.empty()) say_ << fmt::format("skipped  {} photos (see result.json)\n", inputs_.skipped.size());
  say_ << fmt::format("folder   {}\n", folder_.path().string());
  if (result.at("drawn_photos").get<bool>()) say_ << bold(console_, kDrawnNotice) << "\n";
  say_ << std::flush;
}

}  // namespace thaw
