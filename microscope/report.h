#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "microscope/row.h"

namespace thaw::microscope {

/// Everything that a report says about a run beside its rows.
struct RunInfo {
  std::string command;  ///< words behind `thaw bench`
  std::string date;     ///< UTC, ISO 8601
  std::string version;  ///< of thaw
  DeviceInfo device = {};
  int threads = 0;
  std::size_t flush_bytes = 0;
  MeasureOptions options = {};
  int interrupted = 0;  ///< 0, or the exit code of the signal that ended the run before its last row
  bool roof_given = false;
  Ceilings before = {}, after = {};  ///< the ceilings at both ends of the run; equal where given

  [[nodiscard]] Ceilings roof() const { return best_of(before, after); }
  /// Whether the two measurements differ by more than a tenth: the machine was not left alone.
  [[nodiscard]] bool unsteady() const;
};

/// `thaw bench ...` that measures this row alone, on the same numbers.
std::string repro_line(const Row& row, const RunInfo& info);

/// The document of docs/bench.md, schema "thaw-bench-1".
nlohmann::json to_json(const RunInfo& info, const std::vector<Row>& rows);
/// The same as one line a row, with the run's facts repeated in each.
std::string to_csv(const RunInfo& info, const std::vector<Row>& rows);

}  // namespace thaw::microscope
