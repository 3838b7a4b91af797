#include "grid/toml_letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "kernels/error.h"

namespace thaw::grid {

namespace {

unsigned byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

/// Bytes of the UTF-8 character at `at`; 0 where there is none. Shortest forms only, no surrogates, up to U+10FFFF.
std::size_t character_size(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + size > text.size()) return 0;
  unsigned code = first & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const unsigned next = byte_at(text, at + i);
    if ((next & 0xC0U) != 0x80U) return 0;
    code = code << 6U | (next & 0x3FU);
  }
  constexpr std::array<unsigned, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  const bool sound = code >= least[size] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  return sound ? size : 0;
}

}  // namespace

std::string hide_letters(std::string_view text, const std::string& file) {
  std::string hidden;
  std::size_t size = 0;
  for (std::size_t at = 0; at < text.size(); at += size) {
    size = character_size(text, at);
    if (size == 0) {
      fail(ErrorKind::usage, "'{}', line {}: the text is not UTF-8", file,
           std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1);
    }
    for (std::size_t i = at; i < at + size; ++i) {
      if (size == 1 && text[i] != '~') {
        hidden += text[i];
      } else {
        fmt::format_to(std::back_inserter(hidden), "~{:02X}~", byte_at(text, i));
      }
    }
  }
  return hidden;
}

std::string restore_letters(std::string_view text) {
  const auto digit = [&text](std::size_t i) { return text[i] <= '9' ? text[i] - '0' : text[i] - 'A' + 10; };
  std::string whole;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hidden = text[i] == '~' && i + 3 < text.size() && text[i + 3] == '~';
    whole += hidden ? static_cast<char>(digit(i + 1) * 16 + digit(i + 2)) : text[i];
    if (hidden) i += 3;
  }
  return whole;
}

}  // namespace thaw::grid
