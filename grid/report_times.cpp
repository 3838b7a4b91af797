#include "grid/report_sentences.h"

#include <fmt/format.h>

#include <cmath>

#include "grid/report_text.h"

namespace thaw::grid {

namespace {

std::string published_range(const TimeRatio& t) {
  if (!t.published_least && !t.published_most) return "";
  const double least = t.published_least.value_or(0);
  const double most = t.published_most.value_or(1e300);
  std::string stated = t.published_least ? decimals(*t.published_least, 1) : "at most " + decimals(most, 1);
  if (t.published_least && t.published_most) stated += " to " + decimals(most, 1);
  const char* place = t.ratio < least ? "below" : t.ratio > most ? "above" : "within";
  return fmt::format(" The published ratio is {}: this one lies {} it.", stated, place);
}

}  // namespace

std::string time_ratio_text(const TimeRatio& t) {
  const auto pairs = static_cast<std::int64_t>(t.compared.size());
  std::string text =
      fmt::format("{} takes {} times as long as {}", model_name(t.first), decimals(t.ratio), model_name(t.second));
  text += pairs == 1 ? fmt::format(" over the one experiment that both finished alike ({})", t.compared[0])
                     : fmt::format(" over the {} experiments that both finished alike ({}; one by one from {} to {})",
                                   pairs, list_text(t.compared), decimals(t.least), decimals(t.most));
  if (t.training) text += fmt::format("; {} times in the training steps alone", decimals(*t.training));
  text += ".";
  if (!t.also_differ.empty()) text += fmt::format(" The two also differ in {}.", list_text(t.also_differ));
  return text + published_range(t);
}

std::string total_time_text(const GridReport& report) {
  double measured = 0, prefixes = 0, foretold = 0, took = 0;
  for (const ModelReport& model : report.models) {
    for (const ReportRow& row : model.rows) {
      if (!row.seconds) continue;
      const double seconds = row.seconds->mean * row.seconds->count;
      measured += seconds;
      if (row.prefix_seconds) prefixes += row.prefix_seconds->mean * row.prefix_seconds->count;
      if (row.predicted_seconds.value_or(0) <= 0) continue;
      took += seconds;
      foretold += *row.predicted_seconds * row.seconds->count;
    }
  }
  if (measured <= 0) return "";
  std::string text = fmt::format("The finished experiments took {} together", seconds_text(measured));
  if (prefixes > 0) text += fmt::format(", {} of it for frozen parts", seconds_text(prefixes));
  text += ".";
  if (foretold <= 0) return text;
  const double more = 100 * (took / foretold - 1);
  const std::string compared = std::abs(more) < 0.5
                                   ? "as much as was predicted"
                                   : fmt::format("{} % {} than the {} that were predicted", decimals(std::abs(more), 0),
                                                 more > 0 ? "more" : "less", seconds_text(foretold));
  if (measured - took < 1e-9) return text + fmt::format(" That is {}.", compared);
  return text + fmt::format(" Those with a prediction took {}, {}.", seconds_text(took), compared);
}

}  // namespace thaw::grid
