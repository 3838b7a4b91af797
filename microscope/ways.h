#pragma once

#include <vector>

#include "kernels/conv_ways.h"
#include "microscope/row.h"

namespace thaw::microscope {

/// The ways in which a backend can compute a request; none where it is no convolution or there is but one.
std::vector<ConvWay> ways_of(Backend& backend, const Request& request);

/// The request as its ways are measured: a filter gradient without the bias' one, which is no engine's business.
Request request_of_ways(Request request);

/// The request's case on a backend, computed as the backend chooses or in one way. The oracle's run is the same.
Case case_of(Backend& backend, const Request& request, const ConvWay* way = nullptr);

/// thaw's own kernel against the fastest engine of a library, of one problem in one direction: how many times the own
/// kernel's time the engine takes. Above 1 the own kernel is faster.
struct Contest {
  Request request;
  std::string engine_cold = {}, engine_hot = {};  ///< the fastest; empty: none was right and timed
  double cold = 0, hot = 0;                       ///< 0 where one of the two is missing
};

/// A contest for each problem and direction that has an own kernel's row, in the order of the rows.
std::vector<Contest> contests_of(const std::vector<Row>& rows);

/// A time of a row.
using WhichTiming = std::optional<Timing> Row::*;
/// How many times this row's time the library's fastest engine takes on the same; 0 where one of the two is missing.
double against_best(const std::vector<Row>& rows, const Row& row, WhichTiming when);

/// Over the contests that have one; 0 where none has.
double geometric_mean(const std::vector<Contest>& contests, double Contest::*when);

}  // namespace thaw::microscope
