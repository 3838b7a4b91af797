#include <fmt/ranges.h>

#include <algorithm>

#include "app/bench_options.h"
#include "app/bench_table.h"
#include "app/options.h"
#include "kernels/nearest.h"
#include "kernels/printable.h"
#include "microscope/ways.h"

namespace thaw {

using namespace microscope;

namespace {

std::string ratio_text(double ratio) { return ratio > 0 ? fmt::format("{:.2f}", ratio) : "-"; }

std::string workspace_text(const ConvWay& way) {
  if (!way.workspace_bytes) return "?";
  return *way.workspace_bytes > 0 ? bytes_text(*way.workspace_bytes) : "-";
}

/// The rows of one problem in one direction, the fastest first, those without a time last.
std::vector<const Row*> by_time(const std::vector<Row>& rows, const Request& request) {
  std::vector<const Row*> found;
  for (const Row& row : rows) {
    const Request& r = row.request;
    if (row.way && r.family == request.family && r.problem == request.problem && r.direction == request.direction) {
      found.push_back(&row);
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const Row* a, const Row* b) {
    if (!a->cold || !b->cold) return a->cold.has_value() && !b->cold;
    return a->cold->seconds.median < b->cold->seconds.median;
  });
  return found;
}

void print_plans_of(const std::vector<Row>& rows, const Request& request, const Ceilings& roof, Console& console) {
  console.out << fmt::format("\n{} {}, {} of a step\n", request.problem, request.direction, request.count);
  Table table({"", "plan", "check", ">cold", ">hot", ">GB/s", ">of roof", ">against best", ">workspace", "notes"});
  for (const Row* row : by_time(rows, request)) {
    const ConvWay& way = *row->way;
    const double seconds = row->cold ? row->cold->seconds.median : 0;
    table.add({way.chosen ? "*" : "", way.name, check_text(*row), time_text(row->cold), time_text(row->hot),
               row->cold ? rate_text(row->bytes / seconds) : "-",
               row->cold ? fmt::format("{:.0f} %", 100 * share_of_roof(*row, *row->cold, roof)) : "-",
               ratio_text(against_best(rows, *row, &Row::cold)), workspace_text(way),
               fmt::format("{}", fmt::join(way.notes, ", "))});
  }
  console.out << table.text();
}

void print_contests(const std::vector<Contest>& contests, Console& console) {
  if (contests.empty()) return;
  console.out << "\nThe library's best time over the own kernel's (above 1: the own kernel is faster):\n";
  Table table({"problem", "dir", ">cold", ">hot", "best engine, cold"});
  for (const Contest& contest : contests) {
    table.add({shortened(contest.request.problem, 56), contest.request.direction, ratio_text(contest.cold),
               ratio_text(contest.hot), contest.engine_cold.empty() ? "none" : contest.engine_cold});
  }
  table.add({"geometric mean", "", ratio_text(geometric_mean(contests, &Contest::cold)),
             ratio_text(geometric_mean(contests, &Contest::hot)), ""});
  console.out << table.text();
}

}  // namespace

std::vector<ConvWay> plans_of(const BenchOptions& options, Backend& backend, const Request& request) {
  if (!options.all_plans && options.plan.empty()) return {};
  if (request.family != "conv" && request.family != "depthwise") return {};
  std::vector<ConvWay> ways = ways_of(backend, request);
  if (ways.empty()) {
    fail(ErrorKind::device, "the device {} computes convolutions in one way only; leave out --all-plans and --plan",
         backend.name());
  }
  if (options.plan.empty()) return ways;
  std::vector<std::string> names;
  names.reserve(ways.size());
  for (const ConvWay& way : ways) names.push_back(way.name);
  std::erase_if(ways, [&options](const ConvWay& way) { return way.name != options.plan; });
  if (!ways.empty()) return ways;
  fail(ErrorKind::usage, "{} {} has no plan '{}'{}; --all-plans lists those that it has", request.problem,
       request.direction, printable(options.plan), did_you_mean(options.plan, names));
}

void print_plans(const RunInfo& info, const std::vector<Row>& rows, Console& console) {
  std::vector<const Request*> shown;
  for (const Row& row : rows) {
    if (!row.way) continue;
    const Request& request = row.request;
    const bool known = std::any_of(shown.begin(), shown.end(), [&request](const Request* r) {
      return r->family == request.family && r->problem == request.problem && r->direction == request.direction;
    });
    if (known) continue;
    shown.push_back(&request);
    print_plans_of(rows, request, info.roof(), console);
  }
  if (shown.empty()) return;
  console.out << "*: what a run takes\n";
  print_contests(contests_of(rows), console);
}

}  // namespace thaw
