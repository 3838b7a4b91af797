#pragma once

#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

namespace thaw {

/// A whole number from a document that anybody may have written. Throws `nlohmann::json::type_error` for anything else
/// and for a number that T does not hold, which nlohmann's own conversion leaves to the compiler.
template <std::integral T>
T whole_number(const nlohmann::json& value) {
  if (value.is_number_unsigned()) {
    if (const auto number = value.get<std::uint64_t>(); std::in_range<T>(number)) return static_cast<T>(number);
  } else if (value.is_number_integer()) {
    if (const auto number = value.get<std::int64_t>(); std::in_range<T>(number)) return static_cast<T>(number);
  }
  throw nlohmann::json::type_error::create(302, "a whole number is expected, found " + value.dump().substr(0, 40),
                                           &value);
}

}  // namespace thaw
