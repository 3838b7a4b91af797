#include "microscope/step.h"

#include "app/bench_options.h"
#include "app/bench_table.h"
#include "app/options.h"

namespace thaw {

namespace {

using namespace microscope;

double share_of(const KindOfCall& kind, const Ceilings& roof) {
  return kind.work.milliseconds > 0
             ? roof.least_seconds(kind.work.flops, kind.work.bytes) / kind.work.milliseconds * 1e3
             : 0;
}

nlohmann::json to_json(const StepReport& report, const NetOptions& net, const Device& device, const Ceilings& roof) {
  nlohmann::json phases = nlohmann::json::array();
  for (const Phase& phase : report.phases) {
    const Summary& s = phase.seconds;
    phases.push_back({{"phase", phase.name},
                      {"median_ms", s.median * 1e3},
                      {"q1_ms", s.first_quartile * 1e3},
                      {"q3_ms", s.third_quartile * 1e3},
                      {"low_ms", s.interval ? nlohmann::json(s.interval->low * 1e3) : nlohmann::json()},
                      {"high_ms", s.interval ? nlohmann::json(s.interval->high * 1e3) : nlohmann::json()},
                      {"samples", s.samples}});
  }
  nlohmann::json kinds = nlohmann::json::array();
  for (const KindOfCall& kind : report.kinds) {
    kinds.push_back({{"kind", kind.kind},
                     {"ms", kind.work.milliseconds},
                     {"calls", kind.work.calls},
                     {"flops", kind.work.flops},
                     {"bytes", kind.work.bytes},
                     {"roof_share", share_of(kind, roof)}});
  }
  return {{"schema", "thaw-bench-step-1"},
          {"net", net.model},
          {"unfreeze", net.unfreeze},
          {"bn", net.bn},
          {"batch", net.batch},
          {"size", net.size},
          {"dtype", name_of(net.dtype)},
          {"device", device.backend->info().name},
          {"threads", device.backend->info().threads},
          {"settled", report.settled},
          {"images_per_second", net.batch / report.phases.back().seconds.median},
          {"peak_bytes", report.stats.peak_bytes},
          {"roof", {{"gflops", roof.gflops}, {"gbs", roof.gbs}}},
          {"phases", phases},
          {"kinds", kinds}};
}

void print_step(const StepReport& report, const NetOptions& net, const Ceilings& roof, Console& console) {
  const double whole = report.phases.back().seconds.median;
  console.out << fmt::format("{} {} {} batch {} size {}: {:.1f} images/s, {} steps, peak {}{}\n\n", net.model,
                             net.unfreeze, name_of(net.dtype), net.batch, net.size, net.batch / whole,
                             report.phases.back().seconds.samples, bytes_text(report.stats.peak_bytes),
                             report.settled ? "" : " (time was up before the median was as sure as asked)");
  Table phases({"phase", ">median", ">quartiles", ">of step"});
  for (const Phase& phase : report.phases) {
    const Summary& s = phase.seconds;
    phases.add({phase.name, short_seconds(s.median),
                fmt::format("{} {}", short_seconds(s.first_quartile), short_seconds(s.third_quartile)),
                percent_text(s.median / whole)});
  }
  console.out << phases.text() << "\nEach call waited for, mean of a step:\n";
  Table kinds({"kind", ">calls", ">time", ">GFLOP/s", ">GB/s", ">of roof"});
  for (const KindOfCall& kind : report.kinds) {
    const double seconds = kind.work.milliseconds / 1e3;
    const auto rate = [seconds](double amount) {
      return amount > 0 ? fmt::format("{:.4g}", amount / seconds / 1e9) : "-";
    };
    const double share = share_of(kind, roof);
    kinds.add({kind.kind, std::to_string(kind.work.calls), short_seconds(seconds), rate(kind.work.flops),
               rate(kind.work.bytes), share > 0 ? fmt::format("{:.0f} %", 100 * share) : "-"});
  }
  console.out << kinds.text();
}

int run_step(const BenchOptions& options, Console& console) {
  require_option(options.time_limit > 0 && options.time_limit <= 3600, "--time-limit", "up to 3600 seconds",
                 options.time_limit);
  if (options.net.empty()) fail(ErrorKind::usage, "--net is needed: `thaw bench step` runs a whole network");
  const Device device = open_device(options.device);
  const NetOptions net = net_options_of(options, device.dtype);
  const std::optional<Ceilings> given = given_roof(options.roof);
  const Ceilings roof =
      given ? *given : measure_ceilings(*device.backend, device.dtype, device.backend->info().threads);
  const StepReport report = time_step(device.backend, net, {.limit = options.time_limit});
  if (options.json) {
    print_json(console.out, to_json(report, net, device, roof));
  } else {
    print_step(report, net, roof, console);
  }
  return 0;
}

}  // namespace

void add_bench_step(CLI::App& bench, Action& action) {
  CLI::App* command = add_command(bench, "step", "A whole training step by phase, and by kind of call.",
                                  "thaw bench step --net mobilenet_v3_large --batch 32 --dtype bf16");
  auto options = std::make_shared<BenchOptions>();
  options->family = "step";
  options->time_limit = 20;
  add_bench_net_options(command, *options);
  add_device_options(command, options->device);
  command->add_option("--time-limit", options->time_limit, "seconds of steps, the extra pass by calls not counted");
  add_json_option(command, options->json);
  set_action(command, options, action, run_step);
}

}  // namespace thaw
