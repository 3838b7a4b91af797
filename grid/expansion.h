#pragma once

#include <string>
#include <vector>

#include "grid/grid_file.h"
#include "grid/toml_reader.h"

namespace thaw::grid {

/// A setting with the values that it takes; one value unless it is an axis.
struct Axis {
  std::string key;
  std::vector<nlohmann::json> values;
};

/// Settings that stand together in a file: [train], a [[run]], an entry of `include` or `exclude`.
struct Row {
  std::vector<Axis> axes;
  nlohmann::json published = nullptr;
  int line = 0;

  void set(const Axis& axis);
  void remove(const std::string& key);
};

/// Reads and checks settings against what is known.
class RowReader {
 public:
  RowReader(const std::string& file, const KnownSettings& known) : file_(file), known_(known) {}
  /// `where` is how the table is called in messages; with `may_publish` it may have a table `published`.
  [[nodiscard]] Row read(const TomlValue& table, const std::string& where, bool may_publish) const;
  [[nodiscard]] Axis read_axis(const std::string& key, const TomlValue& value, const std::string& where) const;

 private:
  [[nodiscard]] nlohmann::json typed(const std::string& key, const TomlValue& value, const std::string& where) const;
  [[nodiscard]] nlohmann::json read_published(const TomlValue& table, const std::string& where) const;

  const std::string& file_;
  const KnownSettings& known_;
};

/// A point of a grid before it has an index, an id and a name.
struct Point {
  nlohmann::json settings;
  nlohmann::json published = nullptr;
};

/// Every combination of the axes of `row` and of those of `common` that `row` does not name, the first axis moving
/// slowest, on top of `standard`. Throws `Error` (usage) where there are more than 10,000.
std::vector<Point> expand(const Row& common, const Row& row, const nlohmann::json& standard, const std::string& file);

/// Whether the settings have one of the values of each of the row's axes.
bool matches(const Row& row, const nlohmann::json& settings);

/// Gives each experiment a name of model and selector and, where several have the same, of what tells those apart.
void name_experiments(std::vector<Experiment>& experiments);

}  // namespace thaw::grid
