#pragma once

#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace thaw::grid {

/// Fields of JSON objects that anybody may have written. A field that is absent or null is nothing; one of another
/// type, and a number out of range, throw nlohmann's exception with the field's name. `object` must be an object.
std::optional<double> number_in(const nlohmann::json& object, const char* key);
std::optional<std::int64_t> whole_in(const nlohmann::json& object, const char* key);
std::optional<std::uint64_t> natural_in(const nlohmann::json& object, const char* key);
/// From 0 to 2^31 - 1.
std::optional<int> count_in(const nlohmann::json& object, const char* key);
/// Empty where absent.
std::string text_in(const nlohmann::json& object, const char* key);
bool flag_in(const nlohmann::json& object, const char* key);
/// The object under `key`, or null.
nlohmann::json object_in(const nlohmann::json& object, const char* key);

/// The value, or an exception that `key` is missing.
template <class T>
T required(const std::optional<T>& value, const char* key) {
  if (!value) throw nlohmann::json::out_of_range::create(403, std::string("'") + key + "' is missing", nullptr);
  return *value;
}

/// Throws nlohmann's exception unless `value` is an object.
const nlohmann::json& require_object(const nlohmann::json& value, const char* name);

/// What is wrong with a document, without nlohmann's number in front, in printable ASCII.
std::string reason_of(const nlohmann::json::exception& error);

}  // namespace thaw::grid
