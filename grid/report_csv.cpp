#include <fmt/format.h>

#include <concepts>

#include "grid/report.h"
#include "grid/report_text.h"

namespace thaw::grid {

namespace {

/// Quoted where it must be.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char letter : text) out += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return out + "\"";
}

std::string field(const std::optional<double>& value) { return value ? fmt::format("{:.10g}", *value) : ""; }
template <std::integral Whole>
std::string field(const std::optional<Whole>& value) {
  return value ? std::to_string(*value) : std::string();
}
std::string field_of_mean(const std::optional<Spread>& spread) {
  return spread ? field(std::optional(spread->mean)) : "";
}
std::string field_of_sd(const std::optional<Spread>& spread) { return spread ? field(spread->sd) : ""; }

std::string difference(const std::optional<Spread>& ours, const std::optional<double>& published) {
  return ours && published ? field(std::optional(ours->mean - *published)) : "";
}

using Fields = std::vector<std::string>;

std::string line(const Fields& fields) {
  std::string out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ',';
    out += field(fields[i]);
  }
  return out + "\n";
}

Fields headings(const GridReport& report) {
  Fields out = {"model",
                "experiment",
                "strategy",
                "hyperparameter",
                "value",
                "epochs",
                "train_accuracy",
                "val_accuracy",
                "test_accuracy",
                "train_accuracy_sd",
                "val_accuracy_sd",
                "test_accuracy_sd",
                "train_accuracy_inference",
                "published_train_accuracy",
                "published_val_accuracy",
                "published_test_accuracy",
                "train_difference",
                "val_difference",
                "test_difference",
                "train_minus_validation",
                "trainable_parameters",
                "seconds",
                "training_seconds",
                "prefix_seconds",
                "predicted_seconds",
                "peak_memory_bytes",
                "predicted_memory_bytes",
                "predicted_cache_bytes",
                "seeds",
                "finished",
                "state",
                "notes",
                "name",
                "unfreeze"};
  out.insert(out.end(), report.varied.begin(), report.varied.end());
  return out;
}

Fields fields_of(const GridReport& report, const ModelReport& model, const ReportRow& row) {
  const PublishedRow published = row.published.value_or(PublishedRow{});
  Fields out = {model.id,
                std::to_string(row.number),
                name_of(row.strategy),
                hyperparameter_of(row.strategy),
                field(row.value),
                std::to_string(row.epochs),
                field_of_mean(row.train),
                field_of_mean(row.val),
                field_of_mean(row.test),
                field_of_sd(row.train),
                field_of_sd(row.val),
                field_of_sd(row.test),
                field_of_mean(row.train_evaluated),
                field(published.train_accuracy),
                field(published.val_accuracy),
                field(published.test_accuracy),
                difference(row.train, published.train_accuracy),
                difference(row.val, published.val_accuracy),
                difference(row.test, published.test_accuracy),
                field_of_mean(row.gap),
                field(row.trainable_parameters),
                field_of_mean(row.seconds),
                field_of_mean(row.training_seconds),
                field_of_mean(row.prefix_seconds),
                field(row.predicted_seconds),
                field(row.peak_memory_bytes),
                field(row.predicted_memory_bytes),
                field(row.predicted_cache_bytes),
                fmt::format("{}", fmt::join(row.seeds, " ")),
                std::to_string(row.test ? row.test->count : 0),
                state_text(row),
                fmt::format("{}", fmt::join(row.notes, "; ")),
                row.name,
                row.unfreeze};
  for (const std::string& name : report.varied) out.push_back(row.varied.at(name));
  return out;
}

}  // namespace

std::string to_csv(const GridReport& report) {
  std::string out = line(headings(report));
  for (const ModelReport& model : report.models) {
    for (const ReportRow& row : model.rows) out += line(fields_of(report, model, row));
  }
  return out;
}

}  // namespace thaw::grid
