#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace thaw {

/// What a row of a trace is about; the columns follow from it.
enum class TraceKind : std::uint8_t {
  layers,     ///< count, mean, std_pop, absmax, v_first, v_n/3, v_2n/3, v_last of every layer's output
  variables,  ///< count, l2, sum, first and last of the step-1 gradient, and of the value behind the last step
};

/// One layer or variable; an empty value means that there is none (no gradient).
struct TraceRow {
  std::string name;
  std::vector<std::optional<double>> values;
};

struct TraceTable {
  TraceKind kind = TraceKind::layers;
  std::vector<TraceRow> rows;

  [[nodiscard]] const TraceRow* find(const std::string& name) const;
};

/// The columns of a row's values, without index and name.
const std::vector<std::string>& trace_columns(TraceKind kind);

/// The values of a layer's row from its output.
std::vector<std::optional<double>> summarise_layer(std::span<const double> output);
/// l2, sum, first and last of a variable or a gradient.
std::vector<std::optional<double>> summarise_variable(std::span<const double> values);

/// The table as CSV text, numbers with 9 significant digits.
std::string to_csv(const TraceTable& table);
/// Reads such a file. Throws `Error` (data) naming the file and the line.
TraceTable read_trace_csv(const std::filesystem::path& path);

}  // namespace thaw
