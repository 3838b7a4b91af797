#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thaw {

/// Bytes of the UTF-8 character at `at`; 0 where there is none. Shortest forms only, no surrogates, up to U+10FFFF.
std::size_t utf8_size(std::string_view text, std::size_t at);
/// Whether all of it is UTF-8, as JSON wants it.
bool is_utf8(std::string_view text);

/// Text for HTML and SVG, in elements and in quoted attributes. Control characters, which neither may hold, become
/// U+FFFD.
std::string html_escaped(std::string_view text);

}  // namespace thaw
