#include "grid/report_sentences.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "grid/report_text.h"

namespace thaw::grid {

namespace {

std::string percent(double value) { return decimals(value) + " %"; }
std::string points(double value) { return decimals(std::abs(value)) + " points"; }

/// "with the last 3 blocks unfrozen", with what else tells the row from its neighbours.
std::string with(const ReportRow& row) {
  std::string text = "with " + unfrozen_text(row);
  for (const auto& [name, value] : row.varied) text += fmt::format(", {} {}", name, value.empty() ? "unset" : value);
  return text;
}

std::string with_any(const ModelReport& model, const std::vector<std::size_t>& rows) {
  std::vector<std::string> texts;
  texts.reserve(rows.size());
  for (const std::size_t row : rows) texts.push_back(with(model.rows[row]));
  return list_text(texts);
}

std::string progress(const GridReport& report) {
  const auto all = static_cast<int>(report.record.experiments.size());
  if (all == 0) return "The grid holds no experiment.";
  const auto count = [&](State state) {
    const auto at = report.states.find(state);
    return at == report.states.end() ? 0 : at->second;
  };
  if (count(State::finished) == all) {
    return all == 1 ? "The only experiment is finished." : fmt::format("All {} experiments are finished.", all);
  }
  std::vector<std::string> rest;
  const auto add = [&rest](int some, const char* one, const char* several) {
    if (some > 0) rest.push_back(fmt::format("{} {}", some, some == 1 ? one : several));
  };
  add(count(State::failed), "has failed", "have failed");
  add(count(State::half_done), "is half done", "are half done");
  add(count(State::waiting), "is waiting", "are waiting");
  const int finished = count(State::finished);
  if (finished == 0) return fmt::format("No experiment of {} is finished: {}.", all, list_text(rest));
  return fmt::format("{} of {} experiments {} finished; {}.", finished, all, finished == 1 ? "is" : "are",
                     list_text(rest));
}

/// The published row with the highest test accuracy, where any has one.
std::optional<RowPlace> best_published(const GridReport& report) {
  std::optional<RowPlace> best;
  double highest = -1;
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    for (std::size_t j = 0; j < report.models[i].rows.size(); ++j) {
      const auto& published = report.models[i].rows[j].published;
      if (!published || published->test_accuracy.value_or(-1) <= highest) continue;
      highest = *published->test_accuracy;
      best = RowPlace{.model = i, .row = j};
    }
  }
  return best;
}

std::string published_best(const GridReport& report) {
  const std::optional<RowPlace> best = best_published(report);
  if (!best) return "";
  const ReportRow& row = report.row(*best);
  const bool same = std::any_of(report.best.begin(), report.best.end(),
                                [&](RowPlace place) { return place.model == best->model && place.row == best->row; });
  if (same)
    return fmt::format(" The published tables have their highest there too, {}.",
                       percent(*row.published->test_accuracy));
  return fmt::format(" The published tables have theirs, {}, at {} {}, {}.", percent(*row.published->test_accuracy),
                     report.models[best->model].name, with(row),
                     row.test ? "which reaches " + percent(row.test->mean) + " here" : "which is not finished here");
}

std::string best_overall(const GridReport& report) {
  std::vector<std::string> where;
  for (const RowPlace place : report.best) {
    where.push_back(report.models[place.model].name + " " + with(report.row(place)));
  }
  return fmt::format("The highest test accuracy is {}: {}.{}", percent(*report.best_test), list_text(where),
                     published_best(report));
}

std::string by_strategy(const ModelReport& model) {
  std::vector<std::string> parts;
  for (const auto& [strategy, best] : model.best_by_strategy) {
    const std::string where = with_any(model, best.rows);
    if (strategy == Strategy::blocks || strategy == Strategy::layers) {
      parts.push_back(fmt::format("by {} {} {}", name_of(strategy), percent(best.test), where));
    } else {
      parts.push_back(fmt::format("{} {}", percent(best.test), where));
    }
  }
  std::string text = fmt::format("{} reaches {}.", model.name, list_text(parts));
  const auto frozen = model.best_by_strategy.find(Strategy::frozen);
  if (frozen == model.best_by_strategy.end() || model.best_by_strategy.size() < 2) return text;
  double tuned = -1;
  for (const auto& [strategy, best] : model.best_by_strategy) {
    if (strategy != Strategy::frozen) tuned = std::max(tuned, best.test);
  }
  const double gain = tuned - frozen->second.test;
  if (std::abs(gain) < 0.005) return text + " Unfreezing gains nothing at its best.";
  return text + fmt::format(" At its best, unfreezing {} {}.", gain > 0 ? "gains" : "loses", points(gain));
}

/// Test photos of a row's run; 0 where its matrix is not known.
std::int64_t test_photos(const ReportRow& row) {
  std::int64_t photos = 0;
  for (const auto& line : row.confusion) photos = std::accumulate(line.begin(), line.end(), photos);
  return row.test ? photos / row.test->count : 0;
}

/// Standard error of a share of `photos`, in points.
double standard_error(double percents, std::int64_t photos) {
  const double share = percents / 100;
  return 100 * std::sqrt(share * (1 - share) / static_cast<double>(photos));
}

/// How much a difference must be to mean something, from the number of test photos.
std::string noise(const GridReport& report) {
  const std::int64_t photos = test_photos(report.row(report.best.front()));
  if (photos == 0) return "";
  return fmt::format("The test set has {}, so one photo is {} and the standard error of the highest accuracy is {}.",
                     plural(photos, "photo"), points(100.0 / static_cast<double>(photos)),
                     points(standard_error(*report.best_test, photos)));
}

/// How the order of the experiments goes with that of the published values.
std::string order_text(double correlation) {
  const double size = std::abs(correlation);
  if (size < 0.2) return "has little to do with the published one";
  const char* how = size < 0.5 ? "weakly" : size < 0.8 ? "moderately" : "strongly";
  return fmt::format("{} {} the published one", how, correlation > 0 ? "resembles" : "reverses");
}

std::string agreement(const ModelReport& model) {
  const Agreement& a = *model.agreement;
  std::string text = fmt::format("Over {} {}'s test accuracy ", plural(a.rows, "experiment"), model.name);
  if (std::abs(a.mean) < 0.005) {
    text += "equals the published one on average";
  } else {
    text += fmt::format("lies {} {} the published one on average", points(a.mean), a.mean > 0 ? "above" : "below");
  }
  if (a.rows > 1) text += fmt::format(" (mean absolute difference {})", points(a.mean_absolute));
  if (a.correlation) {
    text += fmt::format("; the order of the experiments by it {} (rank correlation {})", order_text(*a.correlation),
                        signed_text(*a.correlation));
  }
  return text + ".";
}

std::string gap(const ModelReport& model) {
  const GapFinding& g = *model.gap;
  std::string text = fmt::format("{}: train minus validation accuracy is {} points on average over {}", model.name,
                                 signed_text(g.ours), plural(g.rows, "experiment"));
  if (g.evaluated) text += fmt::format(" ({} with the train accuracy of inference mode)", signed_text(*g.evaluated));
  text += ".";
  if (g.published) text += fmt::format(" The published value is {}.", signed_text(*g.published));
  if (g.published_rows) {
    text += fmt::format(" The published rows of the same {} give {}.", g.rows == 1 ? "experiment" : "experiments",
                        signed_text(*g.published_rows));
  }
  return text;
}

std::string overfitting(const ModelReport& model) {
  const Overfitting& o = *model.overfitting;
  const char* verdict =
      "no clear relation between how much is trained and how far train and validation accuracy are apart";
  if (o.chance < 0.05 && o.correlation > 0)
    verdict = "the more is trained, the further train accuracy is above validation accuracy";
  if (o.chance < 0.05 && o.correlation < 0)
    verdict = "the more is trained, the less train accuracy is above validation accuracy";
  const std::string chance = o.chance < 0.001 ? "less than 0.1 %" : decimals(100 * o.chance, 1) + " %";
  return fmt::format(
      "{}: {} (rank correlation {} of trainable parameters with train minus validation accuracy{}, {}; "
      "chance alone gives one as strong in {} of shuffles).",
      model.name, verdict, signed_text(o.correlation), o.evaluated ? " in inference mode" : "",
      plural(o.rows, "experiment"), chance);
}

std::string advice(const ModelReport& model, const Advice& a) {
  const std::string range = a.strategy == Strategy::blocks ? fmt::format("{} to {} blocks", a.low, a.high)
                                                           : fmt::format("layers from {} to {}", a.low, a.high);
  std::string text = fmt::format("{}: the published advice is {}. Best by {} here is {} {}", model.name, range,
                                 name_of(a.strategy), percent(a.best.test), with_any(model, a.best.rows));
  if (a.holds()) return text + ": the advice holds here.";
  if (!a.best_inside) return text + "; nothing that the advice names is finished.";
  const double ahead = a.best.test - *a.best_inside;
  const std::int64_t photos = test_photos(model.rows[a.best.rows.front()]);
  const bool noise = photos > 0 && ahead < standard_error(a.best.test, photos);
  return text + fmt::format(", {} above the best that the advice names: {}.", points(ahead),
                            noise ? "less than the standard error, so this speaks neither for nor against it"
                                  : "it does not hold here");
}

}  // namespace

std::vector<Finding> findings_of(const GridReport& report) {
  std::vector<Finding> findings;
  const auto add = [&findings](const char* about, const std::string& text) {
    if (!text.empty()) findings.push_back({about, text});
  };
  add("progress", progress(report));
  if (report.best_test) {
    add("best", best_overall(report));
    add("noise", noise(report));
  }
  for (const ModelReport& model : report.models) {
    if (!model.best_by_strategy.empty()) add("strategies", by_strategy(model));
  }
  for (const ModelReport& model : report.models) {
    if (model.agreement) add("agreement", agreement(model));
  }
  for (const ModelReport& model : report.models) {
    if (model.gap) add("gap", gap(model));
  }
  for (const ModelReport& model : report.models) {
    if (model.overfitting) add("overfitting", overfitting(model));
  }
  for (const ModelReport& model : report.models) {
    for (const Advice& given : model.advice) add("advice", advice(model, given));
  }
  if (report.time_ratio) add("time", time_ratio_text(*report.time_ratio));
  add("seconds", total_time_text(report));
  return findings;
}

}  // namespace thaw::grid
