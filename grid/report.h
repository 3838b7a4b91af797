#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "grid/record.h"
#include "grid/report_statistics.h"

namespace thaw::grid {

/// What an unfreeze selector does with the base, as the paper sorts its experiments.
enum class Strategy { frozen, blocks, layers, everything, other };

/// One epoch of a curve; accuracies in percent.
struct CurvePoint {
  int epoch = 0;
  std::optional<double> train, val, train_loss, val_loss;
};
struct Curve {
  std::uint64_t seed = 0;
  State state = State::waiting;
  std::vector<CurvePoint> points;
};

/// Experiments that are equal but for their seed. Accuracies are in percent, over the finished ones.
struct ReportRow {
  int number =
      0;  ///< the published experiment where every row of the model has one of its own, else the place in the model
  std::string name, unfreeze;
  Strategy strategy = Strategy::other;
  std::optional<int> value;  ///< blocks that are unfrozen, or the first layer that is
  int epochs = 0;
  std::map<std::string, std::string> varied;  ///< by the names of `GridReport::varied`
  std::vector<std::uint64_t> seeds;
  std::map<State, int> states;     ///< how many experiments are in which state
  std::vector<std::string> notes;  ///< why one is not finished, and what else was odd
  std::optional<Spread> train, train_evaluated, val, test;
  std::optional<Spread> gap, gap_evaluated;  ///< train - validation
  std::optional<Spread> seconds;             ///< of a whole experiment
  std::optional<Spread> training_seconds;    ///< of its training steps alone
  std::optional<Spread> prefix_seconds;      ///< of its frozen part, where it was not found ready
  std::optional<double> predicted_seconds;
  /// Of the process at most: as predicted, as measured, and what of the prediction was the cached frozen part.
  std::optional<std::int64_t> predicted_memory_bytes, peak_memory_bytes, predicted_cache_bytes;
  std::optional<std::int64_t> trainable_parameters;
  std::optional<PublishedRow> published;
  std::vector<Curve> curves;
  std::vector<std::vector<std::int64_t>> confusion;  ///< [actual][predicted], summed over the seeds; may be empty
  std::vector<std::string> class_names;

  [[nodiscard]] bool finished() const { return test.has_value(); }
};

/// The highest mean test accuracy among some rows, and each row that has it (their places in the model).
struct Best {
  double test = 0;
  std::vector<std::size_t> rows;
};

/// Mean of train - validation accuracy over finished rows, in points.
struct GapFinding {
  double ours = 0;
  std::optional<double> evaluated;       ///< with the train accuracy of inference mode, where every row has it
  std::optional<double> published;       ///< as the paper states it
  std::optional<double> published_rows;  ///< from the published rows of the experiments that are finished here
  int rows = 0;
};

/// How trainable parameters and train - validation accuracy go together over a model's finished rows.
struct Overfitting {
  double correlation = 0;  ///< Spearman's
  double chance = 0;       ///< share of shuffles with one at least as strong
  int rows = 0;
  bool evaluated = false;  ///< with the train accuracy of inference mode
};

/// Ours - published test accuracy over the rows that have both.
struct Agreement {
  double mean = 0, mean_absolute = 0;
  std::optional<double> correlation;  ///< Spearman's, of the order of the experiments
  int rows = 0;
};

/// The published advice for one strategy, and what is best here.
struct Advice {
  Strategy strategy = Strategy::blocks;
  int low = 0, high = 0;
  Best best;                          ///< among all finished rows of the strategy
  std::optional<double> best_inside;  ///< among those that the advice names
  [[nodiscard]] bool holds() const { return best_inside && *best_inside >= best.test; }
};

struct ModelReport {
  std::string id, name;
  std::vector<ReportRow> rows;
  std::map<std::string, std::string> settings;  ///< that differ between models and are one within this
  std::optional<Best> best, worst;              ///< `worst` holds the lowest
  std::map<Strategy, Best> best_by_strategy;
  std::optional<GapFinding> gap;
  std::optional<Overfitting> overfitting;
  std::optional<Agreement> agreement;
  std::vector<Advice> advice;
};

/// Seconds of `first` over those of `second`, from experiments that differ in nothing but the model.
struct TimeRatio {
  std::string first, second;  ///< ids of models
  double ratio = 0;           ///< of the sums over all that are compared
  double least = 0, most = 0;
  std::optional<double> training;        ///< of the training steps alone
  std::vector<std::string> compared;     ///< labels of the rows
  std::vector<std::string> also_differ;  ///< settings beside model and weights that differ between the two
  std::optional<double> published_least, published_most;
};

struct Notice {
  bool loud = false;
  std::string text;
};
struct Finding {
  std::string about;  ///< a key: progress, best, strategies, gap, ...
  std::string text;   ///< sentences
};

/// Where in the report a row stands.
struct RowPlace {
  std::size_t model = 0, row = 0;
};

/// Everything that a report says; a pure function of the grid's folder.
struct GridReport {
  GridRecord record;  ///< without the curves
  std::map<State, int> states;
  std::vector<ModelReport> models;
  std::vector<std::string> varied;            ///< settings that differ within a model
  std::map<std::string, std::string> common;  ///< settings that all experiments share
  std::optional<double> best_test;
  std::vector<RowPlace> best;
  std::optional<TimeRatio> time_ratio;
  std::map<std::string, std::vector<std::string>> provenance;  ///< distinct versions, devices, digests of the results
  std::vector<Notice> notices;
  std::vector<Finding> findings;
  std::vector<std::string> remarks;  ///< how to read the figures: sentences

  [[nodiscard]] const ReportRow& row(RowPlace place) const { return models[place.model].rows[place.row]; }
};

GridReport make_report(const GridRecord& record);

/// One page without any request to a network.
std::string to_html(const GridReport& report);
/// A line a row, beginning with the columns of the published tables; accuracies in percent.
std::string to_csv(const GridReport& report);
std::string to_markdown(const GridReport& report);
nlohmann::json to_json(const GridReport& report);

}  // namespace thaw::grid
