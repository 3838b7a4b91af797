#pragma once

#include <string>
#include <vector>

#include "microscope/report.h"

namespace thaw::microscope {

/// One self-contained HTML page with two charts in SVG, both axes in log scale: the roofline (GFLOP/s over FLOP a byte)
/// of rows with arithmetic, and GB/s over bytes of those that only move memory. A mark a timed row, cold, whose <title>
/// says all about it. Light and dark.
std::string roofline_page(const RunInfo& info, const std::vector<Row>& rows);

}  // namespace thaw::microscope
