#include "framework/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/error.h"

namespace thaw {

double Schedule::at(std::int64_t step) const {
  if (step < warmup_steps) return base * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (kind == Kind::constant) return base;
  const std::int64_t span = std::max<std::int64_t>(total_steps - warmup_steps, 1);
  const double progress = std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(span));
  return final + (base - final) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

std::string Schedule::text() const {
  const std::string warm = warmup_steps > 0 ? fmt::format(", {} warm-up steps", warmup_steps) : "";
  if (kind == Kind::constant) return fmt::format("constant {:g}{}", base, warm);
  return fmt::format("cosine {:g} to {:g} in {} steps{}", base, final, total_steps, warm);
}

Schedule::Kind parse_schedule(std::string_view text) {
  if (text == "constant") return Schedule::Kind::constant;
  if (text == "cosine") return Schedule::Kind::cosine;
  fail(ErrorKind::usage, "'{}' is no learning-rate schedule: choose constant or cosine", text);
}

}  // namespace thaw
