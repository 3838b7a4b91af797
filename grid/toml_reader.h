#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thaw::grid {

/// A value of a TOML document: tables keep the order of their keys, and every value knows its line.
struct TomlValue {
  enum class Kind : std::uint8_t { scalar, array, table } kind = Kind::scalar;
  nlohmann::json scalar = nullptr;                              ///< text, whole number, number or switch
  std::vector<TomlValue> items = {};                            ///< of an array
  std::vector<std::pair<std::string, TomlValue>> entries = {};  ///< of a table
  int line = 0;

  [[nodiscard]] const TomlValue* find(std::string_view key) const;
  /// The same without lines.
  [[nodiscard]] nlohmann::json json() const;
};

/// Reads a document. Throws `Error` (usage) naming `file`, line and column. Dates and times are refused.
TomlValue parse_toml(std::string_view text, const std::string& file);

}  // namespace thaw::grid
