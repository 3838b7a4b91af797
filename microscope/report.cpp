#include "microscope/report.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "microscope/ways.h"

namespace thaw::microscope {

namespace {

/// A ratio, null where there is none.
nlohmann::json known(double ratio) { return ratio > 0 ? nlohmann::json(ratio) : nlohmann::json(); }

bool differ(double a, double b) { return std::max(a, b) > 1.1 * std::min(a, b); }

nlohmann::json to_json(const Timing& timing) {
  const Summary& s = timing.seconds;
  nlohmann::json out = {{"median_ms", s.median * 1e3},
                        {"q1_ms", s.first_quartile * 1e3},
                        {"q3_ms", s.third_quartile * 1e3},
                        {"low_ms", nullptr},
                        {"high_ms", nullptr},
                        {"samples", s.samples},
                        {"settled", timing.settled},
                        {"throttled", timing.throttled},
                        {"preempted", timing.preempted},
                        {"unsteady", timing.unsteady()},
                        {"calls_per_sample", timing.calls_per_sample}};
  if (s.interval) {
    out["low_ms"] = s.interval->low * 1e3;
    out["high_ms"] = s.interval->high * 1e3;
  }
  return out;
}

nlohmann::json to_json(const Ceilings& c) {
  return {{"gflops", c.gflops}, {"gbs", c.gbs}, {"gflops_how", c.gflops_how}, {"gbs_how", c.gbs_how}};
}

/// The way that a row was computed in, null for one that the backend chose.
nlohmann::json plan_json(const Row& row, const std::vector<Row>& rows) {
  if (!row.way) return nullptr;
  const ConvWay& way = *row.way;
  nlohmann::json out = {{"engine", way.name},
                        {"own", way.own},
                        {"chosen", way.chosen},
                        {"workspace_bytes", nullptr},
                        {"notes", way.notes},
                        {"result", name_of(way.result)},
                        {"against_best_cold", known(against_best(rows, row, &Row::cold))},
                        {"against_best_hot", known(against_best(rows, row, &Row::hot))}};
  if (way.workspace_bytes) out["workspace_bytes"] = *way.workspace_bytes;
  return out;
}

nlohmann::json contests_json(const std::vector<Row>& rows) {
  const std::vector<Contest> contests = contests_of(rows);
  nlohmann::json list = nlohmann::json::array();
  for (const Contest& contest : contests) {
    list.push_back({{"family", contest.request.family},
                    {"problem", contest.request.problem},
                    {"direction", contest.request.direction},
                    {"count", contest.request.count},
                    {"best_cold", contest.engine_cold},
                    {"best_hot", contest.engine_hot},
                    {"cold", known(contest.cold)},
                    {"hot", known(contest.hot)}});
  }
  return {{"rows", list},
          {"cold", known(geometric_mean(contests, &Contest::cold))},
          {"hot", known(geometric_mean(contests, &Contest::hot))}};
}

nlohmann::json to_json(const Row& row, const std::vector<Row>& rows, const RunInfo& info) {
  const Ceilings roof = info.roof();
  nlohmann::json out = {{"family", row.request.family},
                        {"problem", row.request.problem},
                        {"direction", row.request.direction},
                        {"name", row.request.name},
                        {"dtype", name_of(row.dtype)},
                        {"count", row.request.count},
                        {"flops", row.flops},
                        {"bytes", row.bytes},
                        {"bound", bound_of(row, roof)},
                        {"plan", plan_json(row, rows)},
                        {"good", row.good()},
                        {"error", row.error},
                        {"check", name_of(row.finding.agreement)},
                        {"checked", row.finding.part},
                        {"complaint", row.finding.complaint},
                        {"deterministic", row.finding.deterministic},
                        {"repro", repro_line(row, info)}};
  for (const auto& [name, timing] : {std::pair("cold", row.cold), std::pair("hot", row.hot)}) {
    if (!timing) {
      out[name] = nullptr;
      continue;
    }
    out[name] = to_json(*timing);
    out[name]["gflops"] = row.flops / timing->seconds.median / 1e9;
    out[name]["gbs"] = row.bytes / timing->seconds.median / 1e9;
    out[name]["roof_share"] = share_of_roof(row, *timing, roof);
  }
  return out;
}

/// A CSV field: quoted where it must be.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char letter : text) out += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return out + "\"";
}

/// A scalar of the JSON document as a CSV field, or texts with "; " between them; nothing for null.
std::string field(const nlohmann::json& value) {
  if (value.is_null()) return "";
  if (value.is_array()) return field(fmt::format("{}", fmt::join(value.get<std::vector<std::string>>(), "; ")));
  return value.is_string() ? field(value.get<std::string>()) : value.dump();
}

}  // namespace

bool RunInfo::unsteady() const {
  return !roof_given && (differ(before.gflops, after.gflops) || differ(before.gbs, after.gbs));
}

std::string repro_line(const Row& row, const RunInfo& info) {
  std::string line =
      fmt::format("thaw bench {} '{}' --dir {} --device {} --threads {} --seed {}", row.request.family,
                  row.request.problem, row.request.direction, info.device.backend, info.threads, info.options.seed);
  if (row.way) line += fmt::format(" --plan '{}'", row.way->name);
  return line;
}

nlohmann::json to_json(const RunInfo& info, const std::vector<Row>& rows) {
  nlohmann::json out = {
      {"schema", "thaw-bench-1"},
      {"command", info.command},
      {"date", info.date},
      {"thaw", info.version},
      {"device", {{"backend", info.device.backend}, {"name", info.device.name}, {"detail", info.device.detail}}},
      {"threads", info.threads},
      {"flush_bytes", info.flush_bytes},
      {"seed", info.options.seed},
      {"check_gflop", info.options.check_limit / 1e9},
      {"time_limit", info.options.rule.limit},
      {"precision", info.options.rule.precision},
      {"roof", to_json(info.roof())},
      {"roof_given", info.roof_given},
      {"roof_before", to_json(info.before)},
      {"roof_after", to_json(info.after)},
      {"unsteady", info.unsteady()},
      {"interrupted", info.interrupted != 0},
      {"own_against_best", contests_json(rows)},
      {"rows", nlohmann::json::array()}};
  for (const Row& row : rows) out["rows"].push_back(to_json(row, rows, info));
  return out;
}

std::string to_csv(const RunInfo& info, const std::vector<Row>& rows) {
  constexpr const char* of_run[] = {"date", "thaw", "command", "threads", "seed", "time_limit", "check_gflop"};
  constexpr const char* of_row[] = {"family", "problem", "direction", "name",      "dtype",
                                    "count",  "flops",   "bytes",     "bound",     "good",
                                    "error",  "check",   "checked",   "complaint", "deterministic"};
  constexpr const char* of_timing[] = {
      "median_ms",        "q1_ms",  "q3_ms", "low_ms",     "high_ms",   "samples",   "settled",
      "calls_per_sample", "gflops", "gbs",   "roof_share", "throttled", "preempted", "unsteady"};
  constexpr const char* of_plan[] = {
      "engine", "own", "chosen", "workspace_bytes", "notes", "result", "against_best_cold", "against_best_hot"};
  const nlohmann::json all = to_json(info, rows);
  std::string out;
  for (const char* name : of_run) out += fmt::format("{},", name);
  out += "device,device_name,device_detail,roof_gflops,roof_gbs";
  for (const char* name : of_row) out += fmt::format(",{}", name);
  for (const char* when : {"cold", "hot"}) {
    for (const char* name : of_timing) out += fmt::format(",{}_{}", when, name);
  }
  for (const char* name : of_plan) out += fmt::format(",plan_{}", name);
  out += '\n';
  std::string facts;
  for (const char* name : of_run) facts += field(all[name]) + ',';
  facts += field(info.device.backend) + ',' + field(info.device.name) + ',' + field(info.device.detail);
  facts += ',' + field(all["roof"]["gflops"]) + ',' + field(all["roof"]["gbs"]);
  for (const nlohmann::json& row : all["rows"]) {
    out += facts;
    for (const char* name : of_row) out += ',' + field(row[name]);
    for (const char* when : {"cold", "hot"}) {
      for (const char* name : of_timing) out += ',' + (row[when].is_null() ? std::string() : field(row[when][name]));
    }
    for (const char* name : of_plan) out += ',' + (row["plan"].is_null() ? std::string() : field(row["plan"][name]));
    out += '\n';
  }
  return out;
}

}  // namespace thaw::microscope
