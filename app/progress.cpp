#include "app/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace thaw {

namespace {

constexpr double kBarPeriod = 0.1;    // seconds between two drawings of the bar
constexpr double kLinePeriod = 10.0;  // seconds between two plain lines
constexpr int kBarCells = 24;

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

ProgressLine::ProgressLine(Console& console, Clock clock)
    : console_(console), clock_(clock ? std::move(clock) : steady_seconds) {}

void ProgressLine::begin(std::string label, std::int64_t total, std::int64_t done, Amount amount) {
  clear();
  label_ = std::move(label);
  amount_ = amount;
  total_ = total;
  first_ = done;
  started_ = clock_();
  shown_ = console_.interactive ? started_ - kBarPeriod : started_;
}

void ProgressLine::update(std::int64_t done, std::string_view detail, double later) {
  const double now = clock_();
  if (now - shown_ < (console_.interactive ? kBarPeriod : kLinePeriod)) return;
  shown_ = now;
  if (!console_.interactive) {
    console_.err << label_ << "  " << status(done, detail, later) << std::endl;
    return;
  }
  std::string line = fmt::format("{}  {}", label_, status(done, detail, later));
  if (static_cast<int>(line.size()) + kBarCells + 4 < console_.width) {
    line = fmt::format("{}  {}  {}", label_, bar(done), status(done, detail, later));
  }
  // Never wrap: a wrapped line cannot be wiped.
  line.resize(std::min(line.size(), static_cast<std::size_t>(std::max(console_.width - 1, 1))));
  console_.err << '\r' << line << "\x1b[K" << std::flush;
  drawn_ = true;
}

void ProgressLine::clear() {
  if (drawn_) console_.err << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

std::string ProgressLine::status(std::int64_t done, std::string_view detail, double later) const {
  const auto written = [&](std::int64_t count) { return amount_ != nullptr ? amount_(count) : std::to_string(count); };
  std::string text =
      total_ > 0 || amount_ == nullptr ? fmt::format("{}/{}", written(done), written(total_)) : written(done);
  if (!detail.empty()) text += fmt::format("  {}", detail);
  const double elapsed = clock_() - started_;
  if (done <= first_ || done > total_ || elapsed <= 0) return text;
  const double rest = elapsed / static_cast<double>(done - first_) * static_cast<double>(total_ - done);
  if (later >= 0) return text + fmt::format("  ETA {} (all {})", seconds_text(rest), seconds_text(rest + later));
  return text + fmt::format("  ETA {}", seconds_text(rest));
}

std::string ProgressLine::bar(std::int64_t done) const {
  const std::int64_t of = std::max<std::int64_t>(total_, 1);
  const auto full = static_cast<std::size_t>(std::clamp<std::int64_t>(done * kBarCells / of, 0, kBarCells));
  return std::string(full, '#') + std::string(kBarCells - full, '.');
}

}  // namespace thaw
