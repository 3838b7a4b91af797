#include "grid/report_findings.h"

#include <algorithm>
#include <cmath>

#include "grid/json_fields.h"
#include "grid/report_text.h"

namespace thaw::grid {
using nlohmann::json;

namespace {

constexpr double kEqual = 1e-9;  // points of accuracy

std::vector<std::size_t> finished_rows(const ModelReport& model) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < model.rows.size(); ++i) {
    if (model.rows[i].finished()) rows.push_back(i);
  }
  return rows;
}

std::vector<std::size_t> of_strategy(const ModelReport& model, const std::vector<std::size_t>& rows,
                                     Strategy strategy) {
  std::vector<std::size_t> out;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(out),
               [&](std::size_t row) { return model.rows[row].strategy == strategy; });
  return out;
}

/// With `sign` 1 the highest test accuracy, with -1 the lowest.
Best extreme_of(const std::vector<ReportRow>& rows, const std::vector<std::size_t>& candidates, double sign) {
  Best best;
  for (const std::size_t row : candidates) {
    const double ahead = sign * (rows[row].test->mean - best.test);
    if (best.rows.empty() || ahead > kEqual)
      best = {.test = rows[row].test->mean, .rows = {row}};
    else if (ahead >= -kEqual)
      best.rows.push_back(row);
  }
  return best;
}

bool all_evaluated(const ModelReport& model, const std::vector<std::size_t>& rows) {
  return std::all_of(rows.begin(), rows.end(),
                     [&](std::size_t row) { return model.rows[row].gap_evaluated.has_value(); });
}

GapFinding gap_of(const ModelReport& model, const std::vector<std::size_t>& rows, const json& published) {
  std::vector<double> ours, evaluated, paper;
  for (const std::size_t i : rows) {
    const ReportRow& row = model.rows[i];
    ours.push_back(row.gap->mean);
    if (row.gap_evaluated) evaluated.push_back(row.gap_evaluated->mean);
    if (row.published && row.published->train_accuracy && row.published->val_accuracy) {
      paper.push_back(*row.published->train_accuracy - *row.published->val_accuracy);
    }
  }
  GapFinding gap;
  gap.ours = spread_of(ours)->mean;
  gap.rows = static_cast<int>(rows.size());
  if (evaluated.size() == rows.size()) gap.evaluated = spread_of(evaluated)->mean;
  if (paper.size() == rows.size()) gap.published_rows = spread_of(paper)->mean;
  if (published.is_object()) {
    const json stated = object_in(published, "train_validation_difference");
    if (!stated.is_null()) gap.published = number_in(stated, model.id.c_str());
  }
  return gap;
}

std::optional<Overfitting> overfitting_of(const ModelReport& model, const std::vector<std::size_t>& rows) {
  const bool evaluated = all_evaluated(model, rows);
  std::vector<double> parameters, gaps;
  for (const std::size_t i : rows) {
    const ReportRow& row = model.rows[i];
    if (!row.trainable_parameters) continue;
    parameters.push_back(static_cast<double>(*row.trainable_parameters));
    gaps.push_back(evaluated ? row.gap_evaluated->mean : row.gap->mean);
  }
  if (parameters.size() < 4) return {};  // three rows are in order by chance every third time
  const std::optional<double> found = rank_correlation(parameters, gaps);
  if (!found) return {};
  return Overfitting{.correlation = *found,
                     .chance = chance_of_correlation(parameters, gaps, *found),
                     .rows = static_cast<int>(parameters.size()),
                     .evaluated = evaluated};
}

std::optional<Agreement> agreement_of(const ModelReport& model, const std::vector<std::size_t>& rows) {
  std::vector<double> ours, paper, differences, sizes;
  for (const std::size_t i : rows) {
    const ReportRow& row = model.rows[i];
    if (!row.published || !row.published->test_accuracy) continue;
    ours.push_back(row.test->mean);
    paper.push_back(*row.published->test_accuracy);
    differences.push_back(ours.back() - paper.back());
    sizes.push_back(std::abs(differences.back()));
  }
  if (ours.empty()) return {};
  return Agreement{.mean = spread_of(differences)->mean,
                   .mean_absolute = spread_of(sizes)->mean,
                   .correlation = rank_correlation(ours, paper),
                   .rows = static_cast<int>(ours.size())};
}

/// [low, high] of the advice for a strategy, where it is given.
std::optional<Advice> advice_for(const ModelReport& model, const std::vector<std::size_t>& finished, Strategy strategy,
                                 const json& range) {
  const std::vector<std::size_t> rows = of_strategy(model, finished, strategy);
  if (rows.empty() || range.is_null()) return {};
  Advice advice{.strategy = strategy,
                .low = range[0].get<int>(),
                .high = range[1].get<int>(),
                .best = best_of(model.rows, rows),
                .best_inside = {}};
  std::vector<std::size_t> inside;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(inside), [&](std::size_t row) {
    return *model.rows[row].value >= advice.low && *model.rows[row].value <= advice.high;
  });
  if (!inside.empty()) advice.best_inside = best_of(model.rows, inside).test;
  return advice;
}

}  // namespace

Best best_of(const std::vector<ReportRow>& rows, const std::vector<std::size_t>& candidates) {
  return extreme_of(rows, candidates, 1);
}

void find_in_model(ModelReport& model, const json& published) {
  const std::vector<std::size_t> rows = finished_rows(model);
  if (rows.empty()) return;
  model.best = best_of(model.rows, rows);
  model.worst = extreme_of(model.rows, rows, -1);
  for (const Strategy strategy :
       {Strategy::frozen, Strategy::blocks, Strategy::layers, Strategy::everything, Strategy::other}) {
    const std::vector<std::size_t> own = of_strategy(model, rows, strategy);
    if (!own.empty()) model.best_by_strategy[strategy] = best_of(model.rows, own);
  }
  model.gap = gap_of(model, rows, published);
  model.overfitting = overfitting_of(model, rows);
  model.agreement = agreement_of(model, rows);
  const json recommended = published.is_object() ? object_in(published, "recommended") : json();
  if (recommended.is_null()) return;
  for (const auto& [strategy, name] : {std::pair(Strategy::blocks, "blocks"), std::pair(Strategy::layers, "layers")}) {
    if (auto advice = advice_for(model, rows, strategy, recommended.value(name, json()))) {
      model.advice.push_back(*advice);
    }
  }
}

}  // namespace thaw::grid
