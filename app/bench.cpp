#include <chrono>
#include <ctime>
#include <random>

#include "app/bench_options.h"
#include "app/bench_table.h"
#include "app/cli.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/signals.h"
#include "app/version.h"
#include "kernels/files.h"
#include "microscope/chart.h"
#include "microscope/ways.h"

namespace thaw {

namespace {

using namespace microscope;

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// Data are fresh in every run; the report says by which seed.
std::uint64_t seed_of(const std::string& text) {
  if (text.empty()) return std::random_device{}();
  std::size_t read = 0;
  std::uint64_t seed = 0;
  try {
    if (text.front() != '-') seed = std::stoull(text, &read);
  } catch (const std::logic_error&) {
    read = 0;
  }
  require_option(read == text.size(), "--seed", "a whole number of 0 or more", text);
  return seed;
}

MeasureOptions measure_options_of(const BenchOptions& options) {
  require_option(options.time_limit > 0 && options.time_limit <= 3600, "--time-limit", "up to 3600 seconds",
                 options.time_limit);
  require_option(options.precision > 0 && options.precision <= 100, "--precision", "a percentage in (0, 100]",
                 options.precision);
  require_option(options.check_limit > 0 && options.check_limit <= 1e6, "--check-limit", "up to 1000000 GFLOP",
                 options.check_limit);
  require_option(options.flush_mib >= 0 && options.flush_mib <= 65536, "--flush", "0 to 65536 MiB", options.flush_mib);
  return {.seed = seed_of(options.seed),
          .check_limit = options.check_limit * 1e9,
          .rule = {.precision = options.precision / 100, .limit = options.time_limit}};
}

/// Refuses an output that could not be written before an hour of measurements.
void require_outputs(const BenchOptions& options) {
  for (const std::string& path : {options.csv, options.html, options.out}) {
    if (!path.empty()) require_writable(path);
  }
}

int exit_code(const std::vector<Row>& rows) {
  int code = 0;
  for (const Row& row : rows) {
    if (!row.ours()) continue;  // a library's engine that no run takes: reported, and no fault of thaw's
    if (row.error.empty() && !row.finding.good()) return exit_mismatch;
    if (!row.error.empty() && code == 0) code = exit_code_of(row.error_kind);
  }
  return code;
}

/// Measures a request as the backend chooses, or in each way that is wanted.
void measure_request(const BenchOptions& options, Backend& backend, const Request& request, CacheFlush& flush,
                     const RunInfo& info, const SignalGuard& signals, std::vector<Row>& rows) {
  const std::vector<ConvWay> ways = plans_of(options, backend, request);
  if (ways.empty()) rows.push_back(measure(backend, request, flush, info.options));
  for (const ConvWay& way : ways) {
    if (signals.requested()) return;
    rows.push_back(measure(backend, request_of_ways(request), flush, info.options, &way));
  }
}

std::vector<Row> measure_all(const BenchOptions& options, const std::vector<Request>& requests, Backend& backend,
                             RunInfo& info, Console& console) {
  CacheFlush flush(backend, info.threads, info.flush_bytes);
  info.flush_bytes = flush.bytes();
  const SignalGuard signals;
  std::vector<Row> rows;
  std::size_t at = 0;
  for (const Request& request : requests) {
    if (signals.requested()) break;
    if (console.interactive) {
      console.err << fmt::format("\r\033[K{}/{} {} {}", ++at, requests.size(), request.problem, request.direction)
                  << std::flush;
    }
    measure_request(options, backend, request, flush, info, signals, rows);
  }
  if (console.interactive) console.err << "\r\033[K" << std::flush;
  info.interrupted = signals.exit_code();
  return rows;
}

void write_outputs(const BenchOptions& options, const RunInfo& info, const std::vector<Row>& rows) {
  if (!options.csv.empty()) write_file_atomically(options.csv, to_csv(info, rows));
  if (!options.html.empty()) write_file_atomically(options.html, roofline_page(info, rows));
  if (!options.out.empty()) write_file_atomically(options.out, to_json(info, rows).dump(2) + "\n");
}

int run_bench(const BenchOptions& options, Console& console) {
  const MeasureOptions measuring = measure_options_of(options);
  const std::optional<Ceilings> given = given_roof(options.roof);
  const Device device = open_device(options.device);
  const std::vector<Request> requests =
      requests_of(options, *device.backend, device.dtype, options.device.dtype != "auto");
  if (options.list) {
    print_requests(requests, options.json, console);
    return 0;
  }
  require_outputs(options);
  RunInfo info{.command = options.family, .date = utc_now(), .version = std::string(version())};
  info.device = device.backend->info();
  info.threads = info.device.threads;
  info.options = measuring;
  info.flush_bytes = static_cast<std::size_t>(options.flush_mib) << 20;
  info.roof_given = given.has_value();
  info.before = given ? *given : measure_ceilings(*device.backend, device.dtype, info.threads);
  const std::vector<Row> rows = measure_all(options, requests, *device.backend, info, console);
  info.after = given ? *given : measure_ceilings(*device.backend, device.dtype, info.threads);
  write_outputs(options, info, rows);
  if (options.json) {
    print_json(console.out, to_json(info, rows));
  } else {
    print_rows(info, rows, console);
  }
  const int code = exit_code(rows);
  return code == 0 ? info.interrupted : code;
}

void add_output_options(CLI::App* command, BenchOptions& options) {
  add_json_option(command, options.json);
  command->add_option("--out", options.out, "write the JSON report to this file too, for `thaw bench compare`");
  command->add_option("--csv", options.csv, "write the rows to this file, one a line");
  command->add_option("--html", options.html, "write a roofline chart to this file");
}

void add_family(CLI::App& bench, Action& action, const std::string& name, const std::string& summary,
                const std::string& example) {
  CLI::App* command = add_command(bench, name, summary, example);
  auto options = std::make_shared<BenchOptions>();
  options->family = name;
  if (name != "all") {
    command->add_option("PROBLEM", options->problems, "what to measure; docs/bench.md has the forms");
    command->add_option("--batch-file", options->batch_file, "a file of problems, one a line, '#' begins a comment");
  }
  command->add_option("--dir", options->dir, "directions, joined with ','; left out: all but packed");
  add_bench_net_options(command, *options);
  add_device_options(command, options->device);
  if (name == "conv" || name == "depthwise" || name == "all") {
    command->add_flag("--all-plans", options->all_plans,
                      "convolutions in every way that the device has: own kernel and each engine of the library");
    command->add_option("--plan", options->plan, "convolutions in this way only, by its name in --all-plans");
  }
  command->add_flag("--list,--dry-run", options->list, "print the problems with their counts, measure nothing");
  command->add_option("--time-limit", options->time_limit, "seconds of each timing, cold and hot");
  command->add_option("--precision", options->precision, "percent of the median that its interval may be wide");
  command->add_option("--check-limit", options->check_limit, "GFLOP that the oracle may spend on a check");
  command->add_option("--flush", options->flush_mib, "MiB swept between cold calls; 0: more than the last cache");
  command->add_option("--seed", options->seed, "of the numbers; left out: a fresh one");
  add_output_options(command, *options);
  set_action(command, options, action, run_bench);
}

}  // namespace

std::optional<Ceilings> given_roof(const std::string& text) {
  if (text.empty()) return std::nullopt;
  Ceilings roof{.gflops_how = "given", .gbs_how = "given"};
  int read = 0;
  const int fields = std::sscanf(text.c_str(), "%lf,%lf%n", &roof.gflops, &roof.gbs, &read);
  const bool good = fields == 2 && static_cast<std::size_t>(read) == text.size() && roof.gflops > 0 && roof.gbs > 0 &&
                    roof.gflops < 1e9 && roof.gbs < 1e9;
  require_option(good, "--roof", "GFLOP/s and GB/s such as 200,25", text);
  return roof;
}

void add_bench_net_options(CLI::App* command, BenchOptions& options) {
  command->add_option("--net", options.net, "the problems of a training step of this network");
  command->add_option("--unfreeze", options.unfreeze, "with --net: none, all, blocks:N, layer:N, glob:PATTERN");
  command->add_option("--bn", options.bn, "with --net: train, inference or frozen-affine");
  command->add_option("--size", options.size, "with --net: height and width of the input in pixels");
  command->add_option("--classes", options.classes, "with --net: of the classifier");
  command->add_option("--batch", options.batch, "images; 0: as the problems say, 32 with --net");
  command->add_option("--roof", options.roof, "GFLOP/s,GB/s measured before; left out: measured in this run");
}

void add_bench(CLI::App& app, Action& action) {
  CLI::App* bench =
      add_command(app, "bench", "Kernels under the microscope: right, repeatable, how fast.",
                  "thaw bench conv n32c64h56w56_k128r3s3p1 --dir fwd,dgrad,wgrad --dtype bf16\n"
                  "  thaw bench all --net mobilenet_v3_large --batch 32 --unfreeze blocks:3 --html roof.html");
  bench->require_subcommand(1);
  for (const Family& family : families()) {
    add_family(*bench, action, family.name, family.summary,
               fmt::format("thaw bench {0} {1}\n  thaw bench {0} --net mobilenet_v3_large --list", family.name,
                           family.example));
  }
  add_family(*bench, action, "all", "every problem of a network's training step",
             "thaw bench all --net resnet50 --batch 32 --unfreeze blocks:3 --out resnet.json");
  add_bench_step(*bench, action);
  add_bench_compare(*bench, action);
}

}  // namespace thaw
