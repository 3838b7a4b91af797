#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

/// Where a command prints: reports to `out`; progress, notes and errors to `err`.
struct Console {
  std::ostream& out;
  std::ostream& err;
  bool interactive = false;  ///< `err` is a terminal, so that a progress bar may overwrite its line
  bool colour = false;
  int width = 80;  ///< columns
};

/// A console over these streams. Only the process' own std::cout and std::cerr can be terminals; NO_COLOR (any
/// non-empty value, no-color.org) and TERM=dumb are obeyed.
Console make_console(std::ostream& out, std::ostream& err);

/// `text` in bold where the console shows colours.
std::string bold(const Console& console, std::string_view text);

/// Rows of cells under headings, columns two spaces apart and padded by what is seen, not by bytes.
class Table {
 public:
  /// A heading that begins with '>' aligns its column to the right (and is shown without it).
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

std::string percent_text(double fraction);    ///< 0.9513 -> "95.1 %"
std::string bytes_text(std::uint64_t bytes);  ///< "1.4 GiB"
std::string seconds_text(double seconds);     ///< "0.4 s", "12 s", "3 min 20 s", "1 h 05 min"
std::string count_text(std::int64_t count);   ///< 2753 -> "2,753"

/// "2GiB", "500MB", "1048576" to bytes. Throws `Error` (usage) naming `option`.
std::uint64_t parse_bytes(std::string_view text, std::string_view option);

}  // namespace thaw
