#pragma once

#include <vector>

#include "grid/report.h"

namespace thaw::grid {

/// What the data say, in words, each finding only where there is data for it. Reads everything of the report but
/// `findings`.
std::vector<Finding> findings_of(const GridReport& report);

/// How to read the figures: what an accuracy is here, what stands behind a plus-minus.
std::vector<std::string> remarks_of(const GridReport& report);

}  // namespace thaw::grid
