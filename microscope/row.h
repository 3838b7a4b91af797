#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "kernels/error.h"
#include "microscope/ceilings.h"
#include "microscope/check.h"
#include "microscope/families.h"
#include "microscope/timing.h"

namespace thaw::microscope {

struct MeasureOptions {
  std::uint64_t seed = 0;
  double check_limit = 0.5e9;  ///< operations of the oracle, each time
  StopRule rule = {};          ///< of each timing, cold and hot
};

/// What was found out about one problem in one direction.
struct Row {
  Request request;
  std::optional<ConvWay> way = {};  ///< the one way in which it was computed; else as the backend chooses
  Dtype dtype = Dtype::f32;
  double flops = 0, bytes = 0;  ///< of one call
  Finding finding = {};
  std::optional<Timing> cold = {}, hot = {};
  std::string error = {};  ///< why there is nothing else; empty: nothing went wrong
  ErrorKind error_kind = ErrorKind::failed;

  [[nodiscard]] bool good() const { return error.empty() && finding.good(); }
  /// Whether this is what a run computes, or what thaw alone answers for: not an engine that is merely offered.
  [[nodiscard]] bool ours() const { return !way || way->own || way->chosen; }
};

/// Checks a request on a backend and times it, in one way where one is given. An `Error` of the backend becomes the
/// row's.
Row measure(Backend& backend, const Request& request, CacheFlush& flush, const MeasureOptions& options,
            const ConvWay* way = nullptr);

/// Of the measured roof, 0 where there is none: the longer of arithmetic and traffic at their ceilings, over the
/// median.
double share_of_roof(const Row& row, const Timing& timing, const Ceilings& roof);
/// "compute", "memory", or "-" where a roof is not known.
std::string bound_of(const Row& row, const Ceilings& roof);

}  // namespace thaw::microscope
