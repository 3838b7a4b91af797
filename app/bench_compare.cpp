#include "microscope/compare.h"

#include <fmt/format.h>

#include "app/bench_options.h"
#include "app/bench_table.h"
#include "app/cli.h"
#include "app/options.h"
#include "kernels/files.h"
#include "kernels/printable.h"

namespace thaw {

namespace {

using namespace microscope;

struct CompareOptions {
  std::string a, b;
  std::string by = "cold";
  double margin = 2;  ///< percent
  bool json = false;
};

nlohmann::json read_report(const std::string& path) {
  nlohmann::json document = nlohmann::json::parse(read_file(path), nullptr, false);
  if (document.is_discarded()) fail(ErrorKind::data, "'{}' is no JSON; give a file of `thaw bench --out`", path);
  return document;
}

std::string milliseconds_text(const Measured& measured) {
  std::string text = short_seconds(measured.median / 1e3);
  if (measured.interval) {
    text += fmt::format(" [{}, {}]", short_seconds(measured.interval->low / 1e3),
                        short_seconds(measured.interval->high / 1e3));
  }
  return text;
}

void print_comparison(const ComparisonReport& report, const CompareOptions& options, Console& console) {
  for (const std::string& note : report.notes) console.out << "note     " << note << '\n';
  Table table({"problem", "dir", ">A " + options.by, ">B " + options.by, ">B/A", "verdict"});
  int counts[4] = {};
  for (const Comparison& row : report.rows) {
    table.add({printable(shortened(row.problem, 56), 100),
               printable(row.plan.empty() ? row.direction : row.direction + " " + row.plan), milliseconds_text(row.a),
               milliseconds_text(row.b), fmt::format("{:.3f}", row.b.median / row.a.median),
               std::string(name_of(row.change))});
    ++counts[static_cast<int>(row.change)];
  }
  console.out << table.text() << '\n';
  for (const std::string& row : report.only_a) console.out << "only in A: " << row << '\n';
  for (const std::string& row : report.only_b) console.out << "only in B: " << row << '\n';
  console.out << fmt::format("{} SAME, {} FASTER, {} SLOWER, {} UNSURE\n", counts[0], counts[1], counts[2], counts[3]);
}

nlohmann::json to_json(const Measured& measured) {
  nlohmann::json out = {{"median_ms", measured.median}, {"low_ms", nullptr}, {"high_ms", nullptr}};
  if (measured.interval) {
    out["low_ms"] = measured.interval->low;
    out["high_ms"] = measured.interval->high;
  }
  return out;
}

nlohmann::json to_json(const ComparisonReport& report, const CompareOptions& options) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Comparison& row : report.rows) {
    rows.push_back({{"family", row.family},
                    {"problem", row.problem},
                    {"direction", row.direction},
                    {"plan", row.plan.empty() ? nlohmann::json() : nlohmann::json(row.plan)},
                    {"a", to_json(row.a)},
                    {"b", to_json(row.b)},
                    {"ratio", row.b.median / row.a.median},
                    {"verdict", name_of(row.change)}});
  }
  return {
      {"schema", "thaw-bench-compare-1"}, {"by", options.by},        {"margin", options.margin / 100}, {"rows", rows},
      {"only_a", report.only_a},          {"only_b", report.only_b}, {"notes", report.notes}};
}

int run_compare(const CompareOptions& options, Console& console) {
  parse_choice(options.by, "--by", {"cold", "hot"});
  require_option(options.margin >= 0 && options.margin <= 100, "--margin", "a percentage of 0 to 100", options.margin);
  const nlohmann::json a = read_report(options.a);
  const nlohmann::json b = read_report(options.b);
  const ComparisonReport report = compare_runs(a, options.a, b, options.b, options.by, options.margin / 100);
  if (report.rows.empty()) {
    fail(ErrorKind::data, "'{}' and '{}' have no row in common; compare runs of the same problems", options.a,
         options.b);
  }
  if (options.json) {
    print_json(console.out, to_json(report, options));
  } else {
    print_comparison(report, options, console);
  }
  for (const Comparison& row : report.rows) {
    if (row.change == Change::slower) return exit_mismatch;
  }
  return 0;
}

}  // namespace

void add_bench_compare(CLI::App& bench, Action& action) {
  CLI::App* command =
      add_command(bench, "compare", "What became faster or slower between two runs (5: something slower).",
                  "thaw bench compare before.json after.json --by hot --margin 3");
  auto options = std::make_shared<CompareOptions>();
  command->add_option("A", options->a, "the older report, written with --out or --json")->required();
  command->add_option("B", options->b, "the newer report")->required();
  command->add_option("--by", options->by, "which times: cold or hot");
  command->add_option("--margin", options->margin, "percent: medians that differ by less are SAME");
  add_json_option(command, options->json);
  set_action(command, options, action, run_compare);
}

}  // namespace thaw
