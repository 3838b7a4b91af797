#include "tests/onnx/compare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace thaw::test {

namespace {

double root_mean_square(const std::vector<double>& values) {
  double sum = 0;
  double count = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value * value;
    count += 1;
  }
  return count == 0 ? 0 : std::sqrt(sum / count);
}

/// 0 for equal numbers, infinite for numbers that must be equal and are not.
double distance(double published, double found, double size) {
  if (published == found || (std::isnan(published) && std::isnan(found))) return 0;
  const double scale = std::max(std::abs(published), size);
  if (!std::isfinite(published) || !std::isfinite(found) || scale == 0) return HUGE_VAL;
  return std::abs(published - found) / scale;
}

void compare_array(std::size_t output, const Array& published, const Array& found, double tolerance, Comparison& out) {
  if (published.shape != found.shape || published.values.size() != found.values.size()) {
    out.difference = fmt::format("output {} has shape ({}), published is ({})", output, fmt::join(found.shape, ","),
                                 fmt::join(published.shape, ","));
    return;
  }
  const bool exactly = !published.floating();
  const double size = root_mean_square(published.values);
  for (std::size_t i = 0; i < published.values.size(); ++i) {
    const double error = distance(published.values[i], found.values[i], size);
    out.worst = std::max(out.worst, error);
    if (error <= (exactly ? 0 : tolerance) || !out.difference.empty()) continue;
    out.difference = fmt::format("output {}, element {} is {:.9g}, published is {:.9g} (off by {:.3g}, allowed {:.3g})",
                                 output, i, found.values[i], published.values[i], error, exactly ? 0 : tolerance);
  }
}

}  // namespace

double tolerance_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return 1e-6;
    case Dtype::bf16: return 0x1p-6;
    default: return 2e-6;
  }
}

Comparison compare(const std::vector<Array>& published, const std::vector<Array>& found, double tolerance) {
  Comparison out;
  if (published.size() != found.size()) {
    out.difference = fmt::format("{} outputs, published are {}", found.size(), published.size());
    return out;
  }
  for (std::size_t i = 0; i < published.size(); ++i) {
    if (found[i].element == Element::none) {
      ++out.left_out;
    } else {
      compare_array(i, published[i], found[i], tolerance, out);
    }
  }
  return out;
}

}  // namespace thaw::test
