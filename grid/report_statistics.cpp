#include "grid/report_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace thaw::grid {

namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && values[order[last + 1]] == values[order[first]]) ++last;
    for (std::size_t i = first; i <= last; ++i) ranks[order[i]] = static_cast<double>(first + last) / 2;
    first = last + 1;
  }
  return ranks;
}

/// Pearson's; nothing where one side is constant.
std::optional<double> correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const double mean_x = mean_of(x), mean_y = mean_of(y);
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  if (xx == 0 || yy == 0) return {};
  return std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
}

}  // namespace

std::optional<Spread> spread_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  Spread out{.mean = mean_of(values), .sd = {}, .count = static_cast<int>(values.size())};
  if (values.size() > 1) {
    double squares = 0;
    for (const double value : values) squares += (value - out.mean) * (value - out.mean);
    out.sd = std::sqrt(squares / static_cast<double>(values.size() - 1));
  }
  return out;
}

std::optional<double> rank_correlation(const std::vector<double>& x, const std::vector<double>& y) {
  if (x.size() < 3) return {};
  return correlation(ranks_of(x), ranks_of(y));
}

double chance_of_correlation(const std::vector<double>& x, const std::vector<double>& y, double found) {
  constexpr int shuffles = 20'000;
  const std::vector<double> fixed = ranks_of(x);
  std::vector<double> moved = ranks_of(y);
  std::mt19937_64 random(1);  // its numbers are the same everywhere, those of std::shuffle are not
  int as_strong = 0;
  for (int i = 0; i < shuffles; ++i) {
    for (std::size_t last = moved.size() - 1; last > 0; --last) std::swap(moved[last], moved[random() % (last + 1)]);
    if (std::abs(correlation(fixed, moved).value_or(0)) >= std::abs(found) - 1e-12) ++as_strong;
  }
  return static_cast<double>(as_strong) / shuffles;
}

}  // namespace thaw::grid
