#include "microscope/statistics.h"

#include <algorithm>
#include <cmath>

namespace thaw::microscope {

namespace {

constexpr double kTail = 0.025;  // on either side

/// Between the two samples around rank q (n-1).
double quantile(const std::vector<double>& sorted, double q) {
  const double rank = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (rank - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// log of P(Binomial(n, 1/2) = k). Not lgamma: that one writes a global.
double log_probability(std::size_t n, std::size_t k) {
  double log_choose = 0;
  for (std::size_t i = 1; i <= k; ++i) {
    log_choose += std::log(static_cast<double>(n - k + i) / static_cast<double>(i));
  }
  return log_choose - static_cast<double>(n) * std::log(2.0);
}

}  // namespace

std::optional<std::pair<std::size_t, std::size_t>> median_ranks(std::size_t samples) {
  // The median is below the sample of rank r exactly where at most r of the samples are below the median.
  const double n = static_cast<double>(samples);
  const double reach = 5 * std::sqrt(n);  // ten deviations: what lies further out adds nothing
  auto rank = static_cast<std::size_t>(std::max(0.0, n / 2 - reach));
  double log_p = log_probability(samples, rank);
  double below = std::exp(log_p);
  if (below > kTail) return std::nullopt;
  for (;; ++rank) {
    log_p += std::log((n - static_cast<double>(rank)) / (static_cast<double>(rank) + 1));
    const double more = below + std::exp(log_p);
    if (more > kTail) return std::pair(rank, samples - 1 - rank);
    below = more;
  }
}

Summary summarise(std::vector<double> samples) {
  Summary summary;
  summary.samples = samples.size();
  if (samples.empty()) return summary;
  std::sort(samples.begin(), samples.end());
  summary.median = quantile(samples, 0.5);
  summary.first_quartile = quantile(samples, 0.25);
  summary.third_quartile = quantile(samples, 0.75);
  if (const auto ranks = median_ranks(samples.size())) {
    summary.interval = Interval{samples[ranks->first], samples[ranks->second]};
  }
  return summary;
}

Verdict Sampling::add(double sample, double spent) {
  samples_.push_back(sample);
  if (samples_.size() >= next_look_) {
    const Summary now = summarise(samples_);
    if (now.interval && now.interval->high - now.interval->low <= rule_.precision * now.median) {
      return Verdict::settled;
    }
    next_look_ = samples_.size() + std::max<std::size_t>(1, samples_.size() / 4);
  }
  return drop(spent);
}

Verdict Sampling::drop(double spent) const {
  const bool late = spent >= rule_.limit && samples_.size() >= rule_.least;
  return late || spent >= 10 * rule_.limit || samples_.size() >= rule_.most ? Verdict::out_of_time : Verdict::go_on;
}

}  // namespace thaw::microscope
