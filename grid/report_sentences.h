#pragma once

#include <string>
#include <vector>

#include "grid/report.h"

namespace thaw::grid {

/// What the data say, in words, each finding only where there is data for it. Reads everything of the report but
/// `findings`.
std::vector<Finding> findings_of(const GridReport& report);

/// How to read the figures: what an accuracy is here, what stands behind a plus-minus.
std::vector<std::string> remarks_of(const GridReport& report);

/// How long two models take, beside what was published.
std::string time_ratio_text(const TimeRatio& ratio);
/// What all experiments took, and how far that is from what was predicted; empty where nothing is finished.
std::string total_time_text(const GridReport& report);

}  // namespace thaw::grid
