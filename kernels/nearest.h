#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thaw {

/// Least number of single-character insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`
/// (optimal string alignment, which counts a swap as one); letter case is ignored.
int edit_distance(std::string_view a, std::string_view b);

/// The word of `known` closest to `word`, the first of equals; empty where none is close enough to be what was meant
/// (more than a third of the longer word would have to change).
std::string nearest(std::string_view word, const std::vector<std::string>& known);

/// "; did you mean 'WORD'?" for the nearest known word, or nothing: the end of a message about an unknown name.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace thaw
