#include "grid/toml_letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "kernels/error.h"
#include "kernels/text.h"

namespace thaw::grid {

std::string hide_letters(std::string_view text, const std::string& file) {
  std::string hidden;
  std::size_t size = 0;
  for (std::size_t at = 0; at < text.size(); at += size) {
    size = utf8_size(text, at);
    if (size == 0) {
      fail(ErrorKind::usage, "'{}', line {}: the text is not UTF-8", file,
           std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1);
    }
    for (std::size_t i = at; i < at + size; ++i) {
      if (size == 1 && text[i] != '~') {
        hidden += text[i];
      } else {
        fmt::format_to(std::back_inserter(hidden), "~{:02X}~", static_cast<unsigned char>(text[i]));
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
