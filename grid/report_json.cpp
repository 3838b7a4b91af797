#include "grid/report.h"
#include "grid/report_text.h"

namespace thaw::grid {
using nlohmann::json;

namespace {

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

json spread(const std::optional<Spread>& value) {
  if (!value) return nullptr;
  return {{"mean", value->mean}, {"sd", or_null(value->sd)}, {"count", value->count}};
}

json published(const std::optional<PublishedRow>& row) {
  if (!row) return nullptr;
  return {{"experiment", or_null(row->experiment)},
          {"train_accuracy", or_null(row->train_accuracy)},
          {"val_accuracy", or_null(row->val_accuracy)},
          {"test_accuracy", or_null(row->test_accuracy)}};
}

json states(const std::map<State, int>& counts) {
  json out = json::object();
  for (const State state : {State::waiting, State::half_done, State::failed, State::finished}) {
    const auto at = counts.find(state);
    out[name_of(state)] = at == counts.end() ? 0 : at->second;
  }
  return out;
}

json row_json(const ReportRow& row) {
  return {{"experiment", row.number},
          {"name", row.name},
          {"unfreeze", row.unfreeze},
          {"strategy", name_of(row.strategy)},
          {"value", or_null(row.value)},
          {"epochs", row.epochs},
          {"settings", row.varied},
          {"seeds", row.seeds},
          {"states", states(row.states)},
          {"notes", row.notes},
          {"train_accuracy", spread(row.train)},
          {"train_accuracy_inference", spread(row.train_evaluated)},
          {"val_accuracy", spread(row.val)},
          {"test_accuracy", spread(row.test)},
          {"train_minus_validation", spread(row.gap)},
          {"seconds", spread(row.seconds)},
          {"training_seconds", spread(row.training_seconds)},
          {"prefix_seconds", spread(row.prefix_seconds)},
          {"predicted_seconds", or_null(row.predicted_seconds)},
          {"peak_memory_bytes", or_null(row.peak_memory_bytes)},
          {"predicted_memory_bytes", or_null(row.predicted_memory_bytes)},
          {"predicted_cache_bytes", or_null(row.predicted_cache_bytes)},
          {"trainable_parameters", or_null(row.trainable_parameters)},
          {"published", published(row.published)},
          {"confusion_matrix", row.confusion},
          {"class_names", row.class_names}};
}

json best_json(const ModelReport& model, const std::optional<Best>& best) {
  if (!best) return nullptr;
  json out = {{"test_accuracy", best->test}, {"experiments", json::array()}};
  for (const std::size_t row : best->rows) out["experiments"].push_back(model.rows[row].number);
  return out;
}

json advice_json(const ModelReport& model) {
  json out = json::array();
  for (const Advice& advice : model.advice) {
    out.push_back({{"strategy", name_of(advice.strategy)},
                   {"low", advice.low},
                   {"high", advice.high},
                   {"best", best_json(model, advice.best)},
                   {"best_inside", or_null(advice.best_inside)},
                   {"holds", advice.holds()}});
  }
  return out;
}

json model_json(const ModelReport& model) {
  json out = {{"id", model.id},
              {"name", model.name},
              {"settings", model.settings},
              {"rows", json::array()},
              {"best", best_json(model, model.best)},
              {"worst", best_json(model, model.worst)},
              {"best_by_strategy", json::object()},
              {"train_validation_difference", nullptr},
              {"overfitting", nullptr},
              {"agreement", nullptr},
              {"advice", advice_json(model)}};
  for (const ReportRow& row : model.rows) out["rows"].push_back(row_json(row));
  for (const auto& [strategy, best] : model.best_by_strategy) {
    out["best_by_strategy"][name_of(strategy)] = best_json(model, best);
  }
  if (const auto& gap = model.gap) {
    out["train_validation_difference"] = {{"ours", gap->ours},
                                          {"ours_inference", or_null(gap->evaluated)},
                                          {"published", or_null(gap->published)},
                                          {"published_rows", or_null(gap->published_rows)},
                                          {"rows", gap->rows}};
  }
  if (const auto& o = model.overfitting) {
    out["overfitting"] = {
        {"rank_correlation", o->correlation}, {"chance", o->chance}, {"rows", o->rows}, {"inference", o->evaluated}};
  }
  if (const auto& a = model.agreement) {
    out["agreement"] = {{"mean_difference", a->mean},
                        {"mean_absolute_difference", a->mean_absolute},
                        {"rank_correlation", or_null(a->correlation)},
                        {"rows", a->rows}};
  }
  return out;
}

json ratio_json(const std::optional<TimeRatio>& ratio) {
  if (!ratio) return nullptr;
  return {{"models", {ratio->first, ratio->second}},
          {"ratio", ratio->ratio},
          {"least", ratio->least},
          {"most", ratio->most},
          {"training", or_null(ratio->training)},
          {"compared", ratio->compared},
          {"also_differ", ratio->also_differ},
          {"published_least", or_null(ratio->published_least)},
          {"published_most", or_null(ratio->published_most)}};
}

json experiment_json(const ExperimentRecord& experiment) {
  const auto percent = [&](const char* key) {
    return experiment.result.is_null() ? json() : json(100 * experiment.result.at(key).get<double>());
  };
  return {{"index", experiment.index},
          {"id", experiment.id},
          {"name", experiment.name},
          {"folder", experiment.folder},
          {"model", experiment.model},
          {"seed", experiment.seed},
          {"state", name_of(experiment.state)},
          {"epochs_done", experiment.epochs_done},
          {"train_accuracy", percent("train_accuracy")},
          {"val_accuracy", percent("val_accuracy")},
          {"test_accuracy", percent("test_accuracy")},
          {"reason", experiment.failure ? json(experiment.failure->reason) : json()}};
}

}  // namespace

json to_json(const GridReport& report) {
  const GridRecord& record = report.record;
  json out = {{"schema", "thaw-grid-report-1"},
              {"thaw", record.thaw},
              {"title", record.title},
              {"file", record.file},
              {"file_sha256", record.file_sha256},
              {"overrides", record.overrides},
              {"machine", record.machine},
              {"published", record.published},
              {"states", states(report.states)},
              {"settings", report.common},
              {"varied", report.varied},
              {"provenance", report.provenance},
              {"time_ratio", ratio_json(report.time_ratio)},
              {"best", nullptr},
              {"models", json::array()},
              {"experiments", json::array()},
              {"remarks", report.remarks},
              {"notices", json::array()},
              {"findings", json::array()}};
  for (const ModelReport& model : report.models) out["models"].push_back(model_json(model));
  for (const ExperimentRecord& experiment : record.experiments)
    out["experiments"].push_back(experiment_json(experiment));
  for (const Notice& notice : report.notices) out["notices"].push_back({{"loud", notice.loud}, {"text", notice.text}});
  for (const Finding& finding : report.findings) {
    out["findings"].push_back({{"about", finding.about}, {"text", finding.text}});
  }
  if (report.best_test) {
    out["best"] = {{"test_accuracy", *report.best_test}, {"experiments", json::array()}};
    for (const RowPlace place : report.best) {
      out["best"]["experiments"].push_back(
          {{"model", report.models[place.model].id}, {"experiment", report.row(place).number}});
    }
  }
  return out;
}

}  // namespace thaw::grid
