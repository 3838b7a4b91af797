#pragma once

#include <string>
#include <string_view>

namespace thaw::grid {

/// `text` in ASCII for toml++ 3.3, which asks about letters beyond it in a way that the language leaves undefined:
/// every byte beyond ASCII, and '~', becomes "~HH~". Throws `Error` (usage) naming `file` and the line for a text that
/// is not UTF-8.
std::string hide_letters(std::string_view text, const std::string& file);

/// The bytes that `hide_letters` hid.
std::string restore_letters(std::string_view text);

}  // namespace thaw::grid
