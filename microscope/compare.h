#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "microscope/statistics.h"

namespace thaw::microscope {

/// One row of a run as it is compared: a median with its interval, in milliseconds.
struct Measured {
  double median = 0;
  std::optional<Interval> interval = {};
};

enum class Change {
  same,    ///< whatever the true medians are within their intervals, they differ by no more than the margin
  faster,  ///< the intervals are apart, and the medians by more than the margin
  slower,
  unsure,  ///< the intervals are too wide to tell, or there is none
};
std::string_view name_of(Change change);  ///< "SAME", ...

/// What became of A in B; `margin` 0.02 is 2 %.
Change compare(const Measured& a, const Measured& b, double margin);

struct Comparison {
  std::string family, problem, direction;
  std::string plan = {};  ///< the engine that both were computed by; empty: each as its backend chose
  Measured a, b;
  Change change = Change::unsure;
};

struct ComparisonReport {
  std::vector<Comparison> rows;
  std::vector<std::string> only_a, only_b;  ///< rows that the other run lacks or could not time
  std::vector<std::string> notes;           ///< what else differs: device, threads
};

/// Rows of two documents of `thaw bench --json`, paired by family, problem, direction and plan; `by` is "cold" or
/// "hot". Throws `Error` (data) naming `name_a` or `name_b` for a document of another form.
ComparisonReport compare_runs(const nlohmann::json& a, const std::string& name_a, const nlohmann::json& b,
                              const std::string& name_b, const std::string& by, double margin);

}  // namespace thaw::microscope
