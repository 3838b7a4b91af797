#include "app/bench_table.h"

#include <fmt/format.h>

#include "app/options.h"

namespace thaw {

using namespace microscope;

namespace {

constexpr std::size_t kWidest = 56;

void add_row(Table& table, const Row& row, const Ceilings& roof) {
  std::vector<std::string> cells = {
      shortened(row.request.name.empty() ? row.request.problem : row.request.name + " " + row.request.problem, kWidest),
      row.request.direction,
      std::to_string(row.request.count),
      check_text(row),
      row.error.empty() ? row.finding.part : "-",
      time_text(row.cold),
      time_text(row.hot)};
  if (row.cold) {
    cells.push_back(rate_text(row.flops / row.cold->seconds.median));
    cells.push_back(rate_text(row.bytes / row.cold->seconds.median));
    const double share = share_of_roof(row, *row.cold, roof);
    cells.push_back(share > 0 ? fmt::format("{:.0f} %", 100 * share) : "-");
    cells.push_back(bound_of(row, roof));
  } else {
    cells.insert(cells.end(), {"-", "-", "-", "-"});
  }
  table.add(std::move(cells));
}

/// Rows that the backend computed as it chose.
void print_table(const std::vector<Row>& rows, const Ceilings& roof, Console& console) {
  Table table(
      {"problem", "dir", ">count", "check", "checked", ">cold", ">hot", ">GFLOP/s", ">GB/s", ">of roof", "bound"});
  bool any = false;
  for (const Row& row : rows) {
    if (row.way) continue;
    add_row(table, row, roof);
    any = true;
  }
  if (any) console.out << table.text();
}

void print_failures(const RunInfo& info, const std::vector<Row>& rows, Console& console) {
  for (const Row& row : rows) {
    if (row.good()) continue;
    console.out << fmt::format("\n{} {}: {}\n  {}\n", row.request.problem,
                               row.way ? row.request.direction + " " + row.way->name : row.request.direction,
                               row.error.empty() ? row.finding.complaint : row.error, repro_line(row, info));
  }
}

/// What one step spends in the calls of these rows, at their cold and at their hot times.
void print_total(const std::vector<Row>& rows, Console& console) {
  double cold = 0, hot = 0;
  std::int64_t calls = 0;
  for (const Row& row : rows) {
    if (!row.cold || !row.hot || (row.way && !row.way->chosen)) continue;
    cold += static_cast<double>(row.request.count) * row.cold->seconds.median;
    hot += static_cast<double>(row.request.count) * row.hot->seconds.median;
    calls += row.request.count;
  }
  console.out << fmt::format("sum      {} calls: {} cold, {} hot\n", calls, short_seconds(cold), short_seconds(hot));
}

/// What the device's watch noticed while samples were taken.
void print_disturbances(const std::vector<Row>& rows, Console& console) {
  std::size_t samples = 0, throttled = 0, preempted = 0, unsteady = 0;
  for (const Row& row : rows) {
    for (const auto* timing : {&row.cold, &row.hot}) {
      if (!*timing) continue;
      samples += (*timing)->seconds.samples;
      throttled += (*timing)->throttled;
      preempted += (*timing)->preempted;
      unsteady += (*timing)->unsteady() ? 1 : 0;
    }
  }
  if (throttled > 0) {
    console.out << fmt::format("\nthrottled: {} samples were dropped, because the device held its clocks down{}\n",
                               throttled, unsteady > 0 ? "; times with '!' lost more than a third" : "");
  }
  if (preempted > 0) {
    console.out << fmt::format("\npreempted: in {} of {} samples a thread lost its core; they count\n", preempted,
                               samples);
  }
}

}  // namespace

std::string rate_text(double per_second) { return per_second > 0 ? fmt::format("{:.4g}", per_second / 1e9) : "-"; }

std::string time_text(const std::optional<Timing>& timing) {
  if (!timing) return "-";
  const Summary& s = timing->seconds;
  std::string text = short_seconds(s.median);
  if (s.interval) {
    const double half = 50 * (s.interval->high - s.interval->low) / s.median;
    text += half < 100 ? fmt::format(" ±{:.1f} %", half) : " ±>100 %";
  }
  return text + (timing->settled ? "" : "?") + (timing->unsteady() ? "!" : "");
}

std::string check_text(const Row& row) {
  if (!row.error.empty()) return "ERROR";
  std::string text(name_of(row.finding.agreement));
  if (!row.finding.deterministic) text += ", NOT DETERMINISTIC";
  return text;
}

std::string short_seconds(double seconds) {
  if (seconds >= 1) return fmt::format("{:.3g} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.3g} ms", seconds * 1e3);
  return fmt::format("{:.3g} us", seconds * 1e6);
}

std::string shortened(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text;
  return text.substr(0, width - 20) + "..." + text.substr(text.size() - 17);
}

void print_requests(const std::vector<Request>& requests, bool json, Console& console) {
  if (json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Request& request : requests) {
      rows.push_back({{"family", request.family},
                      {"problem", request.problem},
                      {"direction", request.direction},
                      {"name", request.name},
                      {"count", request.count}});
    }
    print_json(console.out, {{"schema", "thaw-bench-list-1"}, {"rows", rows}});
    return;
  }
  Table table({"family", "problem", "direction", ">count", "name"});
  for (const Request& request : requests) {
    table.add({request.family, request.problem, request.direction, std::to_string(request.count), request.name});
  }
  console.out << table.text();
}

void print_rows(const RunInfo& info, const std::vector<Row>& rows, Console& console) {
  const Ceilings roof = info.roof();
  console.out << fmt::format("device   {} ({}), {} threads\n", info.device.backend, info.device.name, info.threads);
  console.out << fmt::format("roof     {:.0f} GFLOP/s ({}), {:.1f} GB/s ({})\n", roof.gflops, roof.gflops_how, roof.gbs,
                             roof.gbs_how);
  if (info.unsteady()) {
    console.out << fmt::format(
        "unsteady the roof was {:.0f} GFLOP/s and {:.1f} GB/s before the rows, {:.0f} and {:.1f} behind them: "
        "something "
        "else was running\n",
        info.before.gflops, info.before.gbs, info.after.gflops, info.after.gbs);
  }
  console.out << fmt::format("data     seed {}; cold: {} swept between calls\n\n", info.options.seed,
                             bytes_text(info.flush_bytes));
  print_table(rows, roof, console);
  print_plans(info, rows, console);
  if (rows.size() > 1) {
    console.out << '\n';
    print_total(rows, console);
  }
  print_disturbances(rows, console);
  print_failures(info, rows, console);
  if (info.interrupted != 0) console.out << "\ninterrupted: the rows behind these were not measured\n";
}

}  // namespace thaw
