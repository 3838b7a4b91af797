#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/trace_table.h"
#include "kernels/dtype.h"

namespace thaw {

/// How far two traces may be apart. A value may differ from its golden one by
///
///     rtol * scale + atol + half a unit of the golden value's ninth digit (the golden files are rounded to nine),
///
/// where the scale is what the value was made from, as sums may cancel, or the value itself where that is larger. For a
/// layer it is the root mean square of its output. For a variable or gradient of n elements it is their l2 for l2,
/// sqrt(n) l2 for the sum (which bounds the sum of magnitudes), and 4 l2 / sqrt(n) for single elements: about the
/// largest element that a tensor of such an l2 has.
/// What is measured behind the first optimizer step has `late_rtol`: Adam's first step is sign-like, so that a gradient
/// that is rounding noise decides the direction of a whole step. `late_atol` is the way that an element may go in all
/// steps, where the gradients are not computed in double precision.
struct TraceTolerance {
  double rtol = 2e-5;
  double late_rtol = 2e-2;
  double atol = 0;
  double late_atol = 0;

  /// The defaults for a type: f64 1e-9 (late too), f32 2e-5 (late: 2e-2), bf16 5e-2 (late: 2e-1); `moved` is
  /// learning rate * steps, 0 for a trace without training.
  static TraceTolerance of(Dtype dtype, double moved);
};

/// The outcome of a comparison.
struct TraceComparison {
  std::optional<std::string> divergence;  ///< a sentence that names the first layer, variable or step that is off
  std::size_t compared = 0;               ///< values
  std::size_t noise = 0;                  ///< variables whose gradient is rounding noise, see `compare_traces`
  double worst = 0;                       ///< largest difference, as a fraction of what is allowed
  std::string worst_at;
};

/// Compares in the order of the golden rows. A variable whose golden gradient is below 1e-11 of the whole gradient has
/// a true gradient of 0 (a bias or beta that the next norm on batch statistics takes out again), and what was measured
/// is rounding noise: its gradient must be as small here, below rtol * whole gradient, and its values behind the first
/// step are left out, because Adam makes full steps of noise.
TraceComparison compare_traces(const TraceTable& found, const TraceTable& golden, const TraceTolerance& tolerance);

/// Compares the reports of training steps (the JSON of `thaw trace --steps`). Values that are null in the golden report
/// are left out (a probability of 0 whose logarithm overflowed there).
TraceComparison compare_reports(const nlohmann::json& found, const nlohmann::json& golden,
                                const TraceTolerance& tolerance);

}  // namespace thaw
