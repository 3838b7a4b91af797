#include "app/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iostream>

#include "kernels/error.h"

namespace thaw {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

int columns_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

/// Characters as a reader counts them: UTF-8 continuation bytes take no column.
std::size_t visible(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string padded(const std::string& cell, std::size_t width, bool right) {
  const std::string fill(width > visible(cell) ? width - visible(cell) : 0, ' ');
  return right ? fmt::format("{}{}", fill, cell) : fmt::format("{}{}", cell, fill);
}

}  // namespace

Console make_console(std::ostream& out, std::ostream& err) {
  Console console{.out = out, .err = err};
  const bool dumb = environment("TERM") == "dumb";
  console.interactive = &err == &std::cerr && ::isatty(STDERR_FILENO) == 1 && !dumb;
  console.colour = &out == &std::cout && ::isatty(STDOUT_FILENO) == 1 && !dumb && environment("NO_COLOR").empty();
  if (console.interactive) console.width = columns_of(STDERR_FILENO);
  return console;
}

std::string bold(const Console& console, std::string_view text) {
  return console.colour ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
  for (std::string& heading : headings_) {
    right_.push_back(heading.starts_with('>'));
    if (right_.back()) heading.erase(0, 1);
  }
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(headings_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(headings_.size());
  for (std::size_t i = 0; i < headings_.size(); ++i) {
    widths[i] = visible(headings_[i]);
    for (const auto& row : rows_) widths[i] = std::max(widths[i], visible(row[i]));
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text.append(2, ' ');
      text.append(padded(cells[i], widths[i], right_[i]));
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out.append(text).push_back('\n');
  };
  line(headings_);
  for (const auto& row : rows_) line(row);
  return out;
}

std::string percent_text(double fraction) { return fmt::format("{:.1f} %", 100.0 * fraction); }

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string seconds_text(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", std::max(seconds, 0.0));
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string count_text(std::int64_t count) {
  std::string text = std::to_string(count);
  for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > (count < 0 ? 1 : 0); i -= 3) {
    text.insert(static_cast<std::size_t>(i), 1, ',');
  }
  return text;
}

std::uint64_t parse_bytes(std::string_view text, std::string_view option) {
  constexpr std::array<std::pair<std::string_view, double>, 11> units = {{{"", 1},
                                                                          {"B", 1},
                                                                          {"K", 1024},
                                                                          {"KiB", 1024},
                                                                          {"M", 0x1p20},
                                                                          {"MiB", 0x1p20},
                                                                          {"G", 0x1p30},
                                                                          {"GiB", 0x1p30},
                                                                          {"KB", 1e3},
                                                                          {"MB", 1e6},
                                                                          {"GB", 1e9}}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  const auto* found = std::find_if(units.begin(), units.end(), [&](const auto& u) { return u.first == unit; });
  if (error != std::errc() || found == units.end() || !(value >= 0) || value * found->second > 0x1p60) {
    fail(ErrorKind::usage, "{} wants a size such as 2GiB or 500MB, not '{}'", option, text);
  }
  return static_cast<std::uint64_t>(value * found->second);
}

}  // namespace thaw
