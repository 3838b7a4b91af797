#pragma once

#include <string_view>

namespace thaw::grid {

/// The style sheet of the report: light and dark, for narrow and wide screens and for paper.
extern const std::string_view kReportStyle;

}  // namespace thaw::grid
