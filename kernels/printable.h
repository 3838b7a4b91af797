#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thaw {

/// `text` with everything but printable ASCII escaped and cut to `limit` characters: names inside a file are
/// untrusted and must not reach a terminal as they are.
std::string printable(std::string_view text, std::size_t limit = 80);

}  // namespace thaw
