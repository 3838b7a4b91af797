#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "app/terminal.h"

namespace thaw {

/// How far a phase of work is. On a terminal a bar that is redrawn at most ten times a second; elsewhere a plain line
/// at most every ten seconds, so that a phase which takes less prints nothing.
class ProgressLine {
 public:
  using Clock = std::function<double()>;  ///< seconds, never going back
  explicit ProgressLine(Console& console, Clock clock = {});
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  using Amount = std::string (*)(std::int64_t);  ///< how a number of things is written
  /// Starts a phase of `total` things (0: nobody knows how many), `done` of which are not this run's work.
  void begin(std::string label, std::int64_t total, std::int64_t done = 0, Amount amount = nullptr);
  /// `detail` is shown as it is; `later` are the seconds that the phases behind this one are expected to take, negative
  /// where nobody knows.
  void update(std::int64_t done, std::string_view detail = {}, double later = -1);
  /// Wipes the bar, so that a line can be printed.
  void clear();

 private:
  [[nodiscard]] std::string status(std::int64_t done, std::string_view detail, double later) const;
  [[nodiscard]] std::string bar(std::int64_t done) const;

  Console& console_;
  Clock clock_;
  std::string label_;
  Amount amount_ = nullptr;
  std::int64_t total_ = 0;
  std::int64_t first_ = 0;
  double started_ = 0;
  double shown_ = 0;
  bool drawn_ = false;
};

}  // namespace thaw
