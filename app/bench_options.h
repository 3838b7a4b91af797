#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/session.h"
#include "kernels/conv_ways.h"
#include "microscope/recorder.h"
#include "microscope/report.h"

namespace thaw {

/// What every command of `thaw bench` that measures rows is asked for.
struct BenchOptions {
  std::string family;  ///< "all": every family, with --net only
  std::vector<std::string> problems;
  std::string dir;
  DeviceOptions device = {};
  std::string batch_file;
  std::string net, unfreeze = "all", bn = "train";
  int batch = 0;  ///< 0: as the problems say; 32 with --net
  int size = 224;
  int classes = 5;
  double time_limit = 1;
  double precision = 1;      ///< percent
  double check_limit = 0.5;  ///< GFLOP of the oracle
  int flush_mib = 0;         ///< swept between cold calls; 0: more than the last cache
  std::string seed;          ///< empty: a fresh one
  std::string roof;          ///< "GFLOPS,GBS"; empty: measured
  bool all_plans = false;    ///< each way in which the backend can compute a convolution
  std::string plan;          ///< that one of them; empty: no one alone
  bool list = false, json = false;
  std::string out, csv, html;  ///< files
};

/// The rows that are asked for, in order, with the calls that a network makes on this backend. Throws `Error`: (usage)
/// for problems, directions and names that do not exist, (data) for a file that cannot be read.
std::vector<microscope::Request> requests_of(const BenchOptions& options, const Backend& backend, Dtype standard,
                                             bool dtype_given);

/// The ways of a request that --all-plans or --plan wants to be measured; none: as the backend chooses. Throws `Error`:
/// (device) where there is but one, (usage) for a plan that is not among them.
std::vector<ConvWay> plans_of(const BenchOptions& options, Backend& backend, const microscope::Request& request);

/// The network that --net names. Throws `Error` (usage).
microscope::NetOptions net_options_of(const BenchOptions& options, Dtype dtype);

/// "GFLOPS,GBS" of a measurement that was made before; nothing where the text is empty. Throws `Error` (usage).
std::optional<microscope::Ceilings> given_roof(const std::string& text);

/// Options that `thaw bench step` has too.
void add_bench_net_options(CLI::App* command, BenchOptions& options);

// Commands of their own below `thaw bench`.
void add_bench_step(CLI::App& bench, Action& action);
void add_bench_compare(CLI::App& bench, Action& action);

}  // namespace thaw
