#include "microscope/compare.h"

#include <map>
#include <tuple>

#include "kernels/error.h"
#include "kernels/printable.h"

namespace thaw::microscope {

namespace {

/// Family, problem, direction and plan.
using Key = std::tuple<std::string, std::string, std::string, std::string>;

std::string text_of(const Key& key) {
  const auto& [family, problem, direction, plan] = key;
  return printable(fmt::format("{} {} {}{}{}", family, problem, direction, plan.empty() ? "" : " ", plan), 300);
}

/// Reports from before there were plans have none.
std::string plan_of(const nlohmann::json& row) {
  const auto plan = row.find("plan");
  return plan == row.end() || plan->is_null() ? "" : plan->at("engine").get<std::string>();
}

Measured measured_from(const nlohmann::json& timing) {
  Measured out{.median = timing.at("median_ms").get<double>(), .interval = {}};
  if (timing.at("low_ms").is_number() && timing.at("high_ms").is_number()) {
    out.interval = Interval{timing.at("low_ms").get<double>(), timing.at("high_ms").get<double>()};
  }
  return out;
}

/// The rows that have a time, in their order, and where each is.
struct Rows {
  std::vector<Key> order;
  std::map<Key, Measured> by_key;
};

Rows rows_from(const nlohmann::json& document, const std::string& name, const std::string& by) {
  Rows rows;
  try {
    if (document.at("schema") != "thaw-bench-1") {
      fail(ErrorKind::data, "{} is of another schema than thaw-bench-1; write it with this `thaw bench --json`", name);
    }
    for (const nlohmann::json& row : document.at("rows")) {
      if (!row.at(by).is_object()) continue;
      Key key(row.at("family").get<std::string>(), row.at("problem").get<std::string>(),
              row.at("direction").get<std::string>(), plan_of(row));
      const Measured measured = measured_from(row.at(by));
      if (!(measured.median > 0))
        fail(ErrorKind::data, "{} has a time of {} for {}", name, measured.median, text_of(key));
      if (rows.by_key.emplace(key, measured).second) rows.order.push_back(std::move(key));
    }
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::data, "{} is no report of `thaw bench --json`: a field is missing or of another type", name);
  }
  return rows;
}

void note_differences(const nlohmann::json& a, const nlohmann::json& b, std::vector<std::string>& notes) {
  const auto text = [](const nlohmann::json& document, const char* pointer) {
    const nlohmann::json::json_pointer at(pointer);
    return document.contains(at) ? printable(document.at(at).dump()) : std::string("nothing");
  };
  for (const char* pointer : {"/device/backend", "/device/name", "/threads", "/thaw"}) {
    const std::string first = text(a, pointer);
    const std::string second = text(b, pointer);
    if (first != second)
      notes.push_back(fmt::format("{} differs: {} and {}", std::string_view(pointer).substr(1), first, second));
  }
}

}  // namespace

std::string_view name_of(Change change) {
  switch (change) {
    case Change::same: return "SAME";
    case Change::faster: return "FASTER";
    case Change::slower: return "SLOWER";
    case Change::unsure: return "UNSURE";
  }
  return "?";
}

Change compare(const Measured& a, const Measured& b, double margin) {
  if (!a.interval || !b.interval || !(a.interval->low > 0) || !(b.interval->low > 0)) return Change::unsure;
  const double least = b.interval->low / a.interval->high;
  const double most = b.interval->high / a.interval->low;
  if (least >= 1 / (1 + margin) && most <= 1 + margin) return Change::same;
  if (least > 1 && b.median > a.median * (1 + margin)) return Change::slower;
  if (most < 1 && a.median > b.median * (1 + margin)) return Change::faster;
  return least > 1 || most < 1 ? Change::same : Change::unsure;
}

ComparisonReport compare_runs(const nlohmann::json& a, const std::string& name_a, const nlohmann::json& b,
                              const std::string& name_b, const std::string& by, double margin) {
  const Rows first = rows_from(a, name_a, by);
  const Rows second = rows_from(b, name_b, by);
  ComparisonReport report;
  note_differences(a, b, report.notes);
  for (const Key& key : first.order) {
    const auto found = second.by_key.find(key);
    if (found == second.by_key.end()) {
      report.only_a.push_back(text_of(key));
      continue;
    }
    const Measured& mine = first.by_key.at(key);
    report.rows.push_back({.family = std::get<0>(key),
                           .problem = std::get<1>(key),
                           .direction = std::get<2>(key),
                           .plan = std::get<3>(key),
                           .a = mine,
                           .b = found->second,
                           .change = compare(mine, found->second, margin)});
  }
  for (const Key& key : second.order) {
    if (!first.by_key.contains(key)) report.only_b.push_back(text_of(key));
  }
  return report;
}

}  // namespace thaw::microscope
