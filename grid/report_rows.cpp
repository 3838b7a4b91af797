#include "grid/report_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "grid/json_fields.h"
#include "grid/report_text.h"

namespace thaw::grid {
using nlohmann::json;

namespace {

using Members = std::vector<const ExperimentRecord*>;

/// Equal for experiments that differ in nothing but the seed.
std::string key_of(const ExperimentRecord& experiment) {
  std::string key = fmt::format("{}\n{}\n{}", experiment.model, experiment.unfreeze, experiment.epochs);
  for (const auto& [name, value] : experiment.settings.items()) {
    if (name != "seed") key += fmt::format("\n{}={}", name, value_text(value));
  }
  return key;
}

/// "resnet50/blocks-3" for "resnet50/blocks-3/seed-1".
std::string name_without_seed(const std::string& name) {
  const std::size_t at = name.rfind("/seed-");
  return at == std::string::npos || name.find('/', at + 1) != std::string::npos ? name : name.substr(0, at);
}

/// Percent over those that are finished, by a number of their results.
template <class Number>
std::optional<Spread> spread_over(const Members& members, const Number& number) {
  std::vector<double> values;
  for (const ExperimentRecord* member : members) {
    if (member->state != State::finished) continue;
    const std::optional<double> value = number(member->result);
    if (!value) return {};  // a mean over another set of seeds than its neighbours' would mislead
    values.push_back(*value);
  }
  return spread_of(values);
}

std::optional<double> percent_in(const json& result, const char* key) {
  const std::optional<double> share = number_in(result, key);
  return share ? std::optional(100 * *share) : std::nullopt;
}

std::optional<Spread> percent_over(const Members& members, const char* key) {
  return spread_over(members, [key](const json& result) { return percent_in(result, key); });
}

std::optional<Spread> gap_over(const Members& members, const char* key) {
  return spread_over(members, [key](const json& result) {
    const std::optional<double> train = percent_in(result, key);
    return train ? std::optional(*train - *percent_in(result, "val_accuracy")) : std::nullopt;
  });
}

std::optional<Spread> seconds_over(const Members& members, const char* phase) {
  return spread_over(members, [phase](const json& result) {
    const json seconds = object_in(result, "seconds");
    return seconds.is_null() ? std::optional<double>() : number_in(seconds, phase);
  });
}

Curve curve_of(const ExperimentRecord& experiment) {
  Curve curve{.seed = experiment.seed, .state = experiment.state, .points = {}};
  for (const json& line : experiment.history) {
    curve.points.push_back({.epoch = *count_in(line, "epoch"),
                            .train = percent_in(line, "train_accuracy"),
                            .val = percent_in(line, "val_accuracy"),
                            .train_loss = number_in(line, "train_loss"),
                            .val_loss = number_in(line, "val_loss")});
  }
  return curve;
}

/// Sums the matrices of the finished ones; left empty where they are of different sizes.
void add_confusion(ReportRow& row, const json& result) {
  if (!result.contains("confusion_matrix")) return;
  const auto matrix = result["confusion_matrix"].get<std::vector<std::vector<std::int64_t>>>();
  if (row.confusion.empty()) {
    row.confusion = matrix;
    if (result.contains("class_names")) row.class_names = result["class_names"].get<std::vector<std::string>>();
    return;
  }
  for (std::size_t i = 0; matrix.size() == row.confusion.size() && i < matrix.size(); ++i) {
    std::transform(matrix[i].begin(), matrix[i].end(), row.confusion[i].begin(), row.confusion[i].begin(),
                   std::plus<>());
  }
}

void note_member(ReportRow& row, const ExperimentRecord& experiment, bool several) {
  std::string note;
  if (experiment.state == State::failed && experiment.failure) note = experiment.failure->reason;
  if (experiment.state == State::half_done) {
    note = fmt::format("{} of {}", experiment.epochs_done, plural(experiment.epochs, "epoch"));
  }
  if (!experiment.complaint.empty()) note += (note.empty() ? "" : "; ") + experiment.complaint;
  if (note.empty()) return;
  row.notes.push_back(several ? fmt::format("seed {}: {}", experiment.seed, note) : note);
}

void add_results(ReportRow& row, const Members& members) {
  row.train = percent_over(members, "train_accuracy");
  row.train_evaluated = percent_over(members, "train_eval_accuracy");
  row.val = percent_over(members, "val_accuracy");
  row.test = percent_over(members, "test_accuracy");
  row.gap = gap_over(members, "train_accuracy");
  row.gap_evaluated = gap_over(members, "train_eval_accuracy");
  row.seconds = seconds_over(members, "total");
  row.training_seconds = seconds_over(members, "train");
  row.prefix_seconds = seconds_over(members, "prefix");
  for (const ExperimentRecord* member : members) {
    if (member->state != State::finished) continue;
    add_confusion(row, member->result);
    if (const auto count = whole_in(member->result, "trainable_parameters")) row.trainable_parameters = count;
  }
}

/// The mean over all seeds, where each has a prediction.
std::optional<double> predicted(const Members& members, std::optional<double> Prediction::*what) {
  std::vector<double> values;
  for (const ExperimentRecord* member : members) {
    if (!member->predicted || !((*member->predicted).*what)) return {};
    values.push_back(*((*member->predicted).*what));
  }
  return spread_of(values)->mean;
}

std::optional<std::int64_t> predicted_bytes(const Members& members, std::optional<double> Prediction::*what) {
  const std::optional<double> mean = predicted(members, what);
  if (!mean || !(std::abs(*mean) < 1e18)) return {};
  return std::llround(*mean);
}

/// The most that a finished experiment's process held. Those of one process hold at least what earlier ones did.
std::optional<std::int64_t> peak_memory(const Members& members) {
  std::optional<std::int64_t> most;
  for (const ExperimentRecord* member : members) {
    if (member->state != State::finished) continue;
    const auto bytes = whole_in(member->result, "peak_memory_bytes");
    if (bytes) most = std::max(most.value_or(0), *bytes);
  }
  return most;
}

ReportRow row_of(const Members& members, const SettingsSplit& settings) {
  const ExperimentRecord& first = *members.front();
  ReportRow row;
  row.name = members.size() > 1 ? name_without_seed(first.name) : first.name;
  row.unfreeze = first.unfreeze;
  row.strategy = strategy_of(first.unfreeze, row.value);
  row.epochs = first.epochs;
  for (const std::string& name : settings.varied) row.varied[name] = setting_text(first, name);
  row.trainable_parameters = first.trainable_parameters;
  row.published = first.published;
  row.predicted_seconds = predicted(members, &Prediction::seconds);
  row.predicted_memory_bytes = predicted_bytes(members, &Prediction::memory_bytes);
  row.predicted_cache_bytes = predicted_bytes(members, &Prediction::cache_bytes);
  row.peak_memory_bytes = peak_memory(members);
  for (const ExperimentRecord* member : members) {
    row.seeds.push_back(member->seed);
    ++row.states[member->state];
    note_member(row, *member, members.size() > 1);
    if (!member->history.empty()) row.curves.push_back(curve_of(*member));
  }
  add_results(row, members);
  return row;
}

/// The paper's numbers where every row has its own, else the places.
void number_rows(std::vector<ReportRow>& rows) {
  std::set<int> published;
  for (const ReportRow& row : rows) {
    if (row.published && row.published->experiment) published.insert(*row.published->experiment);
  }
  const bool by_paper = published.size() == rows.size();
  int place = 0;
  for (ReportRow& row : rows) {
    ++place;
    row.number = by_paper ? *row.published->experiment : place;
  }
}

}  // namespace

Strategy strategy_of(const std::string& unfreeze, std::optional<int>& value) {
  const auto number_behind = [&](std::string_view prefix) {
    if (unfreeze.rfind(prefix, 0) != 0) return false;
    const char* end = unfreeze.data() + unfreeze.size();
    int number = 0;
    const auto [stop, error] = std::from_chars(unfreeze.data() + prefix.size(), end, number);
    if (error != std::errc() || stop != end || number < 0) return false;
    value = number;
    return true;
  };
  if (unfreeze == "none") return Strategy::frozen;
  if (unfreeze == "all") return Strategy::everything;
  if (number_behind("blocks:")) return Strategy::blocks;
  return number_behind("layer:") ? Strategy::layers : Strategy::other;
}

std::vector<ModelReport> collect_rows(const std::vector<ExperimentRecord>& experiments, const SettingsSplit& settings) {
  std::vector<ModelReport> models;
  std::vector<std::vector<Members>> groups;  // a list of rows' members a model
  std::map<std::string, std::size_t> model_places;
  std::map<std::string, std::size_t> row_places;
  for (const ExperimentRecord& experiment : experiments) {
    const auto [model, new_model] = model_places.try_emplace(experiment.model, models.size());
    if (new_model) {
      models.emplace_back();
      models.back().id = experiment.model;
      models.back().name = model_name(experiment.model);
      if (const auto at = settings.of_model.find(experiment.model); at != settings.of_model.end()) {
        models.back().settings = at->second;
      }
      groups.emplace_back();
    }
    std::vector<Members>& rows = groups[model->second];
    const auto [row, new_row] = row_places.try_emplace(key_of(experiment), rows.size());
    if (new_row) rows.emplace_back();
    rows[row->second].push_back(&experiment);
  }
  for (std::size_t i = 0; i < models.size(); ++i) {
    for (const Members& members : groups[i]) models[i].rows.push_back(row_of(members, settings));
    number_rows(models[i].rows);
  }
  return models;
}

}  // namespace thaw::grid
