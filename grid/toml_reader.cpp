#include "grid/toml_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "grid/toml_letters.h"
#include "kernels/error.h"
#include "kernels/printable.h"

namespace {
struct BrokenAssumption {};  // the parser's own, about a text that it should have refused
}  // namespace

// As a throw instead of an abort, where the build has assertions; some stand in functions that may not throw.
#define TOML_ASSERT(holds) ((holds) ? static_cast<void>(0) : throw BrokenAssumption())
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wterminate"
#endif
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace thaw::grid {

namespace {

/// Tables within tables, deeper than any grid needs; a hostile file must not exhaust the stack.
constexpr int kDeepest = 16;

class Converter {
 public:
  explicit Converter(const std::string& file) : file_(file) {}

  TomlValue convert(const toml::node& node, int depth = 0) const {
    TomlValue value;
    value.line = static_cast<int>(node.source().begin.line);
    if (depth > kDeepest) fail(ErrorKind::usage, "'{}', line {}: tables are nested too deeply", file_, value.line);
    if (const toml::table* table = node.as_table()) {
      value.kind = TomlValue::Kind::table;
      add_entries(*table, depth, value);
    } else if (const toml::array* array = node.as_array()) {
      value.kind = TomlValue::Kind::array;
      for (const toml::node& item : *array) value.items.push_back(convert(item, depth + 1));
    } else {
      value.scalar = scalar_of(node, value.line);
    }
    return value;
  }

 private:
  /// Keys in the order of the file: the parser sorts them by name.
  void add_entries(const toml::table& table, int depth, TomlValue& value) const {
    std::vector<std::pair<toml::source_position, std::string>> order;
    for (const auto& [key, child] : table) order.emplace_back(key.source().begin, std::string(key.str()));
    std::sort(order.begin(), order.end());
    for (const auto& [position, key] : order) {
      value.entries.emplace_back(restore_letters(key), convert(*table.get(key), depth + 1));
    }
  }

  [[nodiscard]] nlohmann::json scalar_of(const toml::node& node, int line) const {
    if (const auto text = node.value_exact<std::string>()) return restore_letters(*text);
    if (const auto flag = node.value_exact<bool>()) return *flag;
    if (const auto whole = node.value_exact<std::int64_t>()) return *whole;
    if (const auto number = node.value_exact<double>()) return *number;
    fail(ErrorKind::usage, "'{}', line {}: a date or time is no setting of a training", file_, line);
  }

  const std::string& file_;
};

}  // namespace

const TomlValue* TomlValue::find(std::string_view key) const {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first == key; });
  return found == entries.end() ? nullptr : &found->second;
}

nlohmann::json TomlValue::json() const {
  if (kind == Kind::scalar) return scalar;
  if (kind == Kind::array) {
    nlohmann::json array = nlohmann::json::array();
    for (const TomlValue& item : items) array.push_back(item.json());
    return array;
  }
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [key, value] : entries) object[key] = value.json();
  return object;
}

TomlValue parse_toml(std::string_view text, const std::string& file) {
  const std::string ascii = hide_letters(text, file);
  try {
    return Converter(file).convert(toml::parse(ascii));
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    fail(ErrorKind::usage, "'{}' is no TOML: line {}, column {}: {}", file, at.line, at.column,
         printable(restore_letters(error.description())));
  } catch (const BrokenAssumption&) {
    fail(ErrorKind::usage,
         "'{}' is no TOML: the parser cannot make sense of it; look for a table or key without a name", file);
  }
}

}  // namespace thaw::grid
