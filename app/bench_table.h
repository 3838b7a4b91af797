#pragma once

#include <vector>

#include "app/terminal.h"
#include "microscope/report.h"

namespace thaw {

/// The problems with their counts, nothing measured.
void print_requests(const std::vector<microscope::Request>& requests, bool json, Console& console);
/// Roofs, a line a row, and below them what is wrong with the line that shows it again.
void print_rows(const microscope::RunInfo& info, const std::vector<microscope::Row>& rows, Console& console);

/// What `print_rows` prints of rows that are plans: a table for each problem and direction, the fastest first, and own
/// kernels against the library's best.
void print_plans(const microscope::RunInfo& info, const std::vector<microscope::Row>& rows, Console& console);

/// A median with half the width of its interval: "1.23 ms ±0.4 %", '?' where time was up before it was as narrow as
/// asked, '!' where too many samples had to be dropped.
std::string time_text(const std::optional<microscope::Timing>& timing);
/// "exact", "WRONG", "ERROR", ...
std::string check_text(const microscope::Row& row);
/// In units of 10^9 a second; "-" for 0.
std::string rate_text(double per_second);
/// Seconds with three digits: "1.23 ms", "45.6 us".
std::string short_seconds(double seconds);
/// A long text with its middle left out.
std::string shortened(const std::string& text, std::size_t width);

}  // namespace thaw
