#include "grid/grid_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "grid/expansion.h"
#include "kernels/digest.h"
#include "kernels/error.h"
#include "kernels/nearest.h"
#include "kernels/printable.h"

namespace thaw::grid {

namespace {

/// The tables of a file as rows, before they are combined.
struct Rows {
  Row train;
  std::vector<Row> runs, include, exclude;
};

class Parser {
 public:
  Parser(const TomlValue& document, const std::string& file, const KnownSettings& known)
      : document_(document), file_(file), known_(known), reader_(file, known) {}

  GridFile parse(const std::vector<std::string>& overrides) {
    require_known(document_, {"title", "train", "run", "grid", "published"}, "the file");
    GridFile grid;
    grid.title = text_of(document_, "title");
    if (const TomlValue* published = document_.find("published")) grid.published = publication(*published);
    read_rows();
    for (const std::string& text : overrides) override_with(text);
    grid.experiments = experiments();
    return grid;
  }

 private:
  void require_known(const TomlValue& table, const std::vector<std::string>& keys, const std::string& where) const {
    for (const auto& [key, value] : table.entries) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      fail(ErrorKind::usage, "'{}', line {}: {} has no '{}'{}", file_, value.line, where, printable(key),
           did_you_mean(key, keys));
    }
  }

  [[nodiscard]] std::string text_of(const TomlValue& table, const char* key) const {
    const TomlValue* value = table.find(key);
    if (value == nullptr) return {};
    if (!value->scalar.is_string()) fail(ErrorKind::usage, "'{}', line {}: {} wants a text", file_, value->line, key);
    return value->scalar.get<std::string>();
  }

  [[nodiscard]] nlohmann::json publication(const TomlValue& table) const {
    if (table.kind != TomlValue::Kind::table) {
      fail(ErrorKind::usage, "'{}', line {}: published wants a table", file_, table.line);
    }
    require_known(table, {"title", "train_validation_difference", "time_ratio", "recommended"}, "[published]");
    static_cast<void>(text_of(table, "title"));
    return table.json();
  }

  [[nodiscard]] std::vector<Row> rows_of(const TomlValue* array, const std::string& where, bool may_publish) const {
    std::vector<Row> rows;
    if (array == nullptr) return rows;
    if (array->kind != TomlValue::Kind::array) {
      fail(ErrorKind::usage, "'{}', line {}: {} wants an array of tables", file_, array->line, where);
    }
    for (const TomlValue& item : array->items) rows.push_back(reader_.read(item, where, may_publish));
    return rows;
  }

  void read_rows() {
    if (const TomlValue* train = document_.find("train")) rows_.train = reader_.read(*train, "[train]", false);
    rows_.runs = rows_of(document_.find("run"), "[[run]]", true);
    if (rows_.runs.empty()) rows_.runs.emplace_back();
    const TomlValue* grid = document_.find("grid");
    if (grid == nullptr) return;
    require_known(*grid, {"exclude", "include"}, "[grid]");
    rows_.include = rows_of(grid->find("include"), "grid.include", true);
    rows_.exclude = rows_of(grid->find("exclude"), "grid.exclude", false);
  }

  void override_with(const std::string& text) {
    const std::size_t equals = text.find('=');
    const std::string path = text.substr(0, equals);
    if (equals == std::string::npos || !path.starts_with("train.")) {
      fail(ErrorKind::usage, "--set wants train.KEY=VALUE such as train.lr=1e-4, not '{}'", printable(text));
    }
    const std::string key = path.substr(6), value = text.substr(equals + 1);
    const Axis axis = reader_.read_axis(key, override_value(key, value), "--set");
    rows_.train.set(axis);
    for (Row& row : rows_.runs) row.remove(key);
    for (Row& row : rows_.include) row.remove(key);
  }

  /// A text needs no quotation marks there.
  [[nodiscard]] TomlValue override_value(const std::string& key, const std::string& value) const {
    TomlValue text;
    text.scalar = value;
    if (known_.standard.contains(key) && known_.standard.at(key).is_string() && !value.starts_with('[')) return text;
    try {
      return parse_toml("value = " + value, "--set").entries.front().second;
    } catch (const Error&) {
      return text;  // of the wrong type, as will be said
    }
  }

  [[nodiscard]] std::vector<Experiment> experiments() const {
    std::vector<Point> points;
    const auto add = [&](const Row& row) {
      const std::vector<Point> more = expand(rows_.train, row, known_.standard, file_);
      points.insert(points.end(), more.begin(), more.end());
    };
    for (const Row& row : rows_.runs) add(row);
    for (const Row& row : rows_.exclude) {
      const auto gone = std::erase_if(points, [&](const Point& point) { return matches(row, point.settings); });
      if (gone == 0) {
        fail(ErrorKind::usage, "'{}', line {}: this entry of grid.exclude leaves out no experiment", file_, row.line);
      }
    }
    for (const Row& row : rows_.include) add(row);
    if (points.empty()) fail(ErrorKind::usage, "'{}' describes no experiment", file_);
    std::vector<Experiment> all;
    all.reserve(points.size());
    for (Point& point : points) {
      all.push_back({.index = static_cast<int>(all.size()) + 1,
                     .id = id_of(point.settings),
                     .name = {},
                     .settings = std::move(point.settings),
                     .published = std::move(point.published)});
    }
    name_experiments(all);
    require_different(all);
    return all;
  }

  [[nodiscard]] std::string id_of(nlohmann::json settings) const {
    for (const std::string& key : known_.elsewhere) settings.erase(key);
    Sha256 digest;
    digest.add(settings.dump());
    return digest.hex().substr(0, 12);
  }

  void require_different(const std::vector<Experiment>& all) const {
    std::map<std::string, const Experiment*> seen;
    for (const Experiment& experiment : all) {
      const auto [at, fresh] = seen.emplace(experiment.id, &experiment);
      if (fresh) continue;
      fail(ErrorKind::usage, "'{}': experiments {} and {} ({}) are the same; leave one of them out", file_,
           at->second->index, experiment.index, experiment.name);
    }
  }

  const TomlValue& document_;
  const std::string& file_;
  const KnownSettings& known_;
  RowReader reader_;
  Rows rows_;
};

}  // namespace

GridFile parse_grid(std::string_view text, const std::string& file, const KnownSettings& known,
                    const std::vector<std::string>& overrides) {
  const TomlValue document = parse_toml(text, file);
  GridFile grid = Parser(document, file, known).parse(overrides);
  Sha256 digest;
  digest.add(text);
  grid.sha256 = digest.hex();
  return grid;
}

}  // namespace thaw::grid
