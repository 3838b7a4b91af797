#include "app/trace_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {

namespace {

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

std::string header_of(TraceKind kind) {
  return fmt::format("{},{}", kind == TraceKind::layers ? "index,layer" : "variable",
                     fmt::join(trace_columns(kind), ","));
}

std::optional<double> number_of(std::string_view field, const std::string& where) {
  if (field.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) {
    fail(ErrorKind::data, "{}: '{}' is no number", where, field);
  }
  return value;
}

}  // namespace

const TraceRow* TraceTable::find(const std::string& name) const {
  const auto found = std::find_if(rows.begin(), rows.end(), [&name](const TraceRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

const std::vector<std::string>& trace_columns(TraceKind kind) {
  static const std::vector<std::string> layers = {"count",   "mean",  "std_pop", "absmax",
                                                  "v_first", "v_n/3", "v_2n/3",  "v_last"};
  static const std::vector<std::string> variables = {"count",   "grad1_l2", "grad1_sum",  "grad1_first", "grad1_last",
                                                     "post_l2", "post_sum", "post_first", "post_last"};
  return kind == TraceKind::layers ? layers : variables;
}

std::vector<std::optional<double>> summarise_layer(std::span<const double> output) {
  const auto n = static_cast<double>(output.size());
  double sum = 0, absmax = 0;
  for (const double v : output) {
    sum += v;
    absmax = std::max(absmax, std::abs(v));
  }
  const double mean = sum / n;
  double squares = 0;
  for (const double v : output) squares += (v - mean) * (v - mean);
  return {n,
          mean,
          std::sqrt(squares / n),
          absmax,
          output.front(),
          output[output.size() / 3],
          output[2 * output.size() / 3],
          output.back()};
}

std::vector<std::optional<double>> summarise_variable(std::span<const double> values) {
  double sum = 0, squares = 0;
  for (const double v : values) {
    sum += v;
    squares += v * v;
  }
  return {std::sqrt(squares), sum, values.front(), values.back()};
}

std::string to_csv(const TraceTable& table) {
  std::string text = header_of(table.kind) + "\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.kind == TraceKind::layers) text += fmt::format("{},", i);
    text += table.rows[i].name;
    for (const std::optional<double>& value : table.rows[i].values) {
      text += value ? fmt::format(",{:.9g}", *value) : std::string(",");
    }
    text += "\n";
  }
  return text;
}

TraceTable read_trace_csv(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  TraceTable table;
  std::size_t line_number = 0;
  for (std::size_t begin = 0; begin < text.size(); ++line_number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line_number == 0) {
      table.kind = line.starts_with("variable") ? TraceKind::variables : TraceKind::layers;
      if (line != header_of(table.kind)) {
        fail(ErrorKind::data, "'{}' is no trace: its first line should be '{}' or '{}'", path.string(),
             header_of(TraceKind::layers), header_of(TraceKind::variables));
      }
      continue;
    }
    if (line.empty()) continue;
    const std::string where = fmt::format("'{}', line {}", path.string(), line_number + 1);
    std::vector<std::string_view> fields = fields_of(line);
    if (table.kind == TraceKind::layers) fields.erase(fields.begin());
    if (fields.size() != trace_columns(table.kind).size() + 1) {
      fail(ErrorKind::data, "{}: expected {} values behind the name, found {}", where, trace_columns(table.kind).size(),
           fields.empty() ? 0 : fields.size() - 1);
    }
    TraceRow row{.name = std::string(fields.front()), .values = {}};
    for (std::size_t i = 1; i < fields.size(); ++i) row.values.push_back(number_of(fields[i], where));
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) fail(ErrorKind::data, "'{}' is no trace: it has no rows", path.string());
  return table;
}

}  // namespace thaw
