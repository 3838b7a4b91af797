#include "grid/json_fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "kernels/printable.h"

namespace thaw::grid {

namespace {

[[noreturn]] void refuse(const nlohmann::json& value, const char* key, const char* wanted) {
  const std::string found = value.is_structured() ? value.type_name() : value.dump().substr(0, 40);
  throw nlohmann::json::type_error::create(302, fmt::format("'{}' must be {}, found {}", key, wanted, found), &value);
}

/// The field, or a null pointer where it is absent or null.
const nlohmann::json* field(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

}  // namespace

std::optional<double> number_in(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = field(object, key);
  if (value == nullptr) return {};
  if (!value->is_number() || !std::isfinite(value->get<double>())) refuse(*value, key, "a number");
  return value->get<double>();
}

std::optional<std::int64_t> whole_in(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = field(object, key);
  if (value == nullptr) return {};
  if (!value->is_number_integer()) refuse(*value, key, "a whole number");
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    refuse(*value, key, "a whole number below 2^63");
  }
  return value->get<std::int64_t>();
}

std::optional<std::uint64_t> natural_in(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = field(object, key);
  if (value == nullptr) return {};
  if (!value->is_number_unsigned()) refuse(*value, key, "a whole number of 0 or more");
  return value->get<std::uint64_t>();
}

std::optional<int> count_in(const nlohmann::json& object, const char* key) {
  const std::optional<std::int64_t> value = whole_in(object, key);
  if (!value) return {};
  if (*value < 0 || *value > std::numeric_limits<int>::max()) refuse(object.at(key), key, "a count");
  return static_cast<int>(*value);
}

std::string text_in(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = field(object, key);
  if (value == nullptr) return {};
  if (!value->is_string()) refuse(*value, key, "a text");
  return value->get<std::string>();
}

bool flag_in(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = field(object, key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) refuse(*value, key, "true or false");
  return value->get<bool>();
}

nlohmann::json object_in(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = field(object, key);
  if (value == nullptr) return {};
  return require_object(*value, key);
}

const nlohmann::json& require_object(const nlohmann::json& value, const char* name) {
  if (!value.is_object()) refuse(value, name, "an object");
  return value;
}

std::string reason_of(const nlohmann::json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t end = text.find("] ");
  return printable(end == std::string_view::npos ? text : text.substr(end + 2), 200);
}

}  // namespace thaw::grid
