#pragma once

#include <vector>

#include "app/terminal.h"
#include "microscope/report.h"

namespace thaw {

/// The problems with their counts, nothing measured.
void print_requests(const std::vector<microscope::Request>& requests, bool json, Console& console);
/// Roofs, a line a row, and below them what is wrong with the line that shows it again.
void print_rows(const microscope::RunInfo& info, const std::vector<microscope::Row>& rows, Console& console);

/// Seconds with three digits: "1.23 ms", "45.6 us".
std::string short_seconds(double seconds);
/// A long text with its middle left out.
std::string shortened(const std::string& text, std::size_t width);

}  // namespace thaw
