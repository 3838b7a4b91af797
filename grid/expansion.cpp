#include "grid/expansion.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "kernels/printable.h"

namespace thaw::grid {

namespace {

constexpr std::size_t kMostPoints = 10'000;

std::vector<std::string> keys_of(const nlohmann::json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

std::string kind_of(const nlohmann::json& value) {
  if (value.is_string()) return "a text";
  if (value.is_boolean()) return "true or false";
  return value.is_number_integer() ? "a whole number" : "a number";
}

std::string kind_of(const TomlValue& value) {
  if (value.kind == TomlValue::Kind::table) return "a table";
  return value.kind == TomlValue::Kind::array ? "an array" : kind_of(value.scalar);
}

}  // namespace

void Row::set(const Axis& axis) {
  const auto found = std::find_if(axes.begin(), axes.end(), [&](const Axis& a) { return a.key == axis.key; });
  if (found == axes.end()) {
    axes.push_back(axis);
  } else {
    *found = axis;
  }
}

void Row::remove(const std::string& key) {
  std::erase_if(axes, [&](const Axis& axis) { return axis.key == key; });
}

Row RowReader::read(const TomlValue& table, const std::string& where, bool may_publish) const {
  if (table.kind != TomlValue::Kind::table) {
    fail(ErrorKind::usage, "'{}', line {}: {} wants a table of settings, not {}", file_, table.line, where,
         kind_of(table));
  }
  Row row{.axes = {}, .line = table.line};
  for (const auto& [key, value] : table.entries) {
    if (may_publish && key == "published") {
      row.published = read_published(value, where);
    } else {
      row.axes.push_back(read_axis(key, value, where));
    }
  }
  return row;
}

Axis RowReader::read_axis(const std::string& key, const TomlValue& value, const std::string& where) const {
  if (!known_.standard.contains(key)) {
    fail(ErrorKind::usage, "'{}', line {}: there is no setting '{}' in {}{} (`thaw train --help` lists them)", file_,
         value.line, printable(key), where, did_you_mean(key, keys_of(known_.standard)));
  }
  Axis axis{.key = key, .values = {}};
  if (value.kind != TomlValue::Kind::array) {
    axis.values.push_back(typed(key, value, where));
    return axis;
  }
  for (const TomlValue& item : value.items) {
    axis.values.push_back(typed(key, item, where));
    if (std::count(axis.values.begin(), axis.values.end(), axis.values.back()) > 1) {
      fail(ErrorKind::usage, "'{}', line {}: {} has {} twice in {}", file_, item.line, key, axis.values.back().dump(),
           where);
    }
  }
  if (axis.values.empty()) {
    fail(ErrorKind::usage, "'{}', line {}: the array of {} in {} is empty; give it values or leave it out", file_,
         value.line, key, where);
  }
  return axis;
}

nlohmann::json RowReader::typed(const std::string& key, const TomlValue& value, const std::string& where) const {
  const nlohmann::json& standard = known_.standard.at(key);
  const nlohmann::json& found = value.scalar;
  if (value.kind == TomlValue::Kind::scalar) {
    if (standard.is_string() && found.is_string()) return found;
    if (standard.is_boolean() && found.is_boolean()) return found;
    if (standard.is_number_float() && found.is_number()) return found.get<double>();
    if (standard.is_number_integer() && found.is_number_integer()) return found;
  }
  fail(ErrorKind::usage, "'{}', line {}: {} in {} wants {}{}, not {}", file_, value.line, key, where, kind_of(standard),
       value.kind == TomlValue::Kind::scalar ? "" : " or an array of such", kind_of(value));
}

nlohmann::json RowReader::read_published(const TomlValue& table, const std::string& where) const {
  static const std::vector<std::string> known = {"experiment", "train_accuracy", "val_accuracy", "test_accuracy"};
  if (table.kind != TomlValue::Kind::table) {
    fail(ErrorKind::usage, "'{}', line {}: published in {} wants a table, not {}", file_, table.line, where,
         kind_of(table));
  }
  for (const auto& [key, value] : table.entries) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      fail(ErrorKind::usage, "'{}', line {}: published has no '{}'{}", file_, value.line, printable(key),
           did_you_mean(key, known));
    }
    if (!value.scalar.is_number()) {
      fail(ErrorKind::usage, "'{}', line {}: published.{} wants a number, not {}", file_, value.line, key,
           kind_of(value));
    }
  }
  return table.json();
}

std::vector<Point> expand(const Row& common, const Row& row, const nlohmann::json& standard, const std::string& file) {
  std::vector<Axis> axes;
  const auto in_row = [&row](const Axis& axis) {
    return std::any_of(row.axes.begin(), row.axes.end(), [&](const Axis& a) { return a.key == axis.key; });
  };
  for (const Axis& axis : common.axes) {
    if (!in_row(axis)) axes.push_back(axis);
  }
  axes.insert(axes.end(), row.axes.begin(), row.axes.end());
  std::vector<Point> points = {{.settings = standard, .published = row.published}};
  for (const Axis& axis : axes) {
    if (points.size() * axis.values.size() > kMostPoints) {
      fail(ErrorKind::usage, "'{}' describes more than {} experiments; leave an axis out", file, kMostPoints);
    }
    std::vector<Point> more;
    for (const Point& point : points) {
      for (const nlohmann::json& value : axis.values) {
        more.push_back(point);
        more.back().settings[axis.key] = value;
      }
    }
    points = std::move(more);
  }
  return points;
}

bool matches(const Row& row, const nlohmann::json& settings) {
  return std::all_of(row.axes.begin(), row.axes.end(), [&](const Axis& axis) {
    return std::find(axis.values.begin(), axis.values.end(), settings.at(axis.key)) != axis.values.end();
  });
}

namespace {

/// What may stand in a folder's name.
std::string tidy(const nlohmann::json& value) {
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  for (char& c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_' && c != '+') c = '-';
  }
  if (text.starts_with('.')) text.front() = '-';  // neither hidden nor "." and ".."
  return text;
}

std::string plain_name(const nlohmann::json& settings) {
  const std::string model = tidy(settings.at("model"));
  const nlohmann::json& unfreeze = settings.at("unfreeze");
  return (model.empty() ? "model" : model) + "/" + (unfreeze == "none" ? "frozen" : tidy(unfreeze));
}

/// Keys whose values differ among these.
std::vector<std::string> differing(const std::vector<Experiment*>& group) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : group.front()->settings.items()) {
    if (key == "model" || key == "unfreeze") continue;
    const auto differs = [&, k = key](const Experiment* e) {
      return e->settings.at(k) != group.front()->settings.at(k);
    };
    if (std::any_of(group.begin(), group.end(), differs)) keys.push_back(key);
  }
  // The seed last: what differs by it alone belongs together.
  std::stable_partition(keys.begin(), keys.end(), [](const std::string& key) { return key != "seed"; });
  return keys;
}

}  // namespace

void name_experiments(std::vector<Experiment>& experiments) {
  std::map<std::string, std::vector<Experiment*>> groups;
  for (Experiment& experiment : experiments) {
    experiment.name = plain_name(experiment.settings);
    groups[experiment.name].push_back(&experiment);
  }
  for (const auto& [name, group] : groups) {
    if (group.size() == 1) continue;
    for (const std::string& key : differing(group)) {
      for (Experiment* experiment : group) {
        experiment->name += fmt::format("/{}-{}", key, tidy(experiment->settings.at(key)));
      }
    }
  }
}

}  // namespace thaw::grid
