#include <algorithm>
#include <tuple>

#include "grid/json_fields.h"
#include "grid/report_findings.h"
#include "grid/report_text.h"

namespace thaw::grid {
using nlohmann::json;

namespace {

const ModelReport* model_by_id(const std::vector<ModelReport>& models, const std::string& id) {
  const auto at = std::find_if(models.begin(), models.end(), [&](const ModelReport& model) { return model.id == id; });
  return at == models.end() ? nullptr : &*at;
}

auto what_was_run(const ReportRow& row) { return std::tie(row.unfreeze, row.epochs, row.varied); }

struct Pair {
  const ReportRow* first = nullptr;
  const ReportRow* second = nullptr;
};

/// Finished rows of both models that were run alike, in the first one's order.
std::vector<Pair> pairs_of(const ModelReport& first, const ModelReport& second) {
  std::vector<Pair> pairs;
  for (const ReportRow& row : first.rows) {
    if (!row.seconds || row.seconds->mean <= 0) continue;
    const auto other = std::find_if(second.rows.begin(), second.rows.end(), [&](const ReportRow& candidate) {
      return what_was_run(candidate) == what_was_run(row) && candidate.seconds && candidate.seconds->mean > 0;
    });
    if (other != second.rows.end()) pairs.push_back({&row, &*other});
  }
  return pairs;
}

std::optional<double> ratio_of_sums(const std::vector<Pair>& pairs, std::optional<Spread> ReportRow::*seconds) {
  double first = 0, second = 0;
  for (const Pair& pair : pairs) {
    if (!(pair.first->*seconds) || !(pair.second->*seconds)) return {};
    first += (pair.first->*seconds)->mean;
    second += (pair.second->*seconds)->mean;
  }
  return second > 0 ? std::optional(first / second) : std::nullopt;
}

/// Settings that differ between the two models; their weights always do.
std::vector<std::string> settings_that_differ(const ModelReport& first, const ModelReport& second) {
  std::vector<std::string> names;
  for (const auto& [name, value] : first.settings) {
    const auto other = second.settings.find(name);
    if (name != "weights" && other != second.settings.end() && other->second != value) names.push_back(name);
  }
  return names;
}

TimeRatio ratio_of(const ModelReport& first, const ModelReport& second, const std::vector<Pair>& pairs) {
  TimeRatio out;
  out.first = first.id;
  out.second = second.id;
  out.ratio = *ratio_of_sums(pairs, &ReportRow::seconds);
  out.training = ratio_of_sums(pairs, &ReportRow::training_seconds);
  out.also_differ = settings_that_differ(first, second);
  for (const Pair& pair : pairs) {
    const double ratio = pair.first->seconds->mean / pair.second->seconds->mean;
    out.least = out.compared.empty() ? ratio : std::min(out.least, ratio);
    out.most = std::max(out.most, ratio);
    out.compared.push_back(unfrozen_label(*pair.first));
  }
  return out;
}

}  // namespace

std::optional<TimeRatio> find_time_ratio(const std::vector<ModelReport>& models, const json& published) {
  const ModelReport* first = models.size() > 1 ? models.data() : nullptr;
  const ModelReport* second = models.size() > 1 ? &models[1] : nullptr;
  const json stated = published.is_object() ? object_in(published, "time_ratio") : json();
  if (!stated.is_null()) {
    first = model_by_id(models, stated.at("models").at(0).get<std::string>());
    second = model_by_id(models, stated.at("models").at(1).get<std::string>());
  }
  if (first == nullptr || second == nullptr) return {};
  const std::vector<Pair> pairs = pairs_of(*first, *second);
  if (pairs.empty()) return {};
  TimeRatio out = ratio_of(*first, *second, pairs);
  if (!stated.is_null()) {
    out.published_least = number_in(stated, "least");
    out.published_most = number_in(stated, "most");
  }
  return out;
}

}  // namespace thaw::grid
