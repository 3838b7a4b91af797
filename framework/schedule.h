#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace thaw {

/// A learning rate as a pure function of the step, so that a resumed run needs no state for it.
struct Schedule {
  enum class Kind : std::uint8_t { constant, cosine } kind = Kind::constant;
  double base = 1e-3;             ///< reached after the warm-up
  std::int64_t warmup_steps = 0;  ///< linear from base/warmup_steps up to base
  std::int64_t total_steps = 0;   ///< cosine: half a period from base to `final` over the steps behind the warm-up
  double final = 0;

  /// The rate of step `step`, counted from 0. Loshchilov & Hutter 2017 (cosine, no restart).
  [[nodiscard]] double at(std::int64_t step) const;
  [[nodiscard]] std::string text() const;
};

/// "constant" or "cosine". Throws `Error` (usage) naming both.
Schedule::Kind parse_schedule(std::string_view text);

}  // namespace thaw
