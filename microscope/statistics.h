#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace thaw::microscope {

struct Interval {
  double low = 0;
  double high = 0;
};

/// Samples of one quantity, described by ranks alone: times have a long tail, and a rank does not mind.
struct Summary {
  std::size_t samples = 0;
  double median = 0, first_quartile = 0, third_quartile = 0;
  /// Holds the true median with a probability of 95 % at least; none for fewer than six samples.
  std::optional<Interval> interval;
};

/// Ranks (from 0) of the two samples between which the median of the distribution lies with a probability of 95 % at
/// least, whatever the distribution: the number of samples below it is Binomial(n, 1/2). None for n < 6.
std::optional<std::pair<std::size_t, std::size_t>> median_ranks(std::size_t samples);

Summary summarise(std::vector<double> samples);

/// When to stop sampling.
struct StopRule {
  double precision = 0.01;  ///< wanted width of the median's interval as a share of the median
  double limit = 1.0;       ///< seconds, all that belongs to a sample counted
  std::size_t least = 6;    ///< samples, also beyond the limit: fewer have no interval
  std::size_t most = 10'000;
};

enum class Verdict { go_on, settled, out_of_time };

/// Asked behind every sample. The interval is looked at when there are a quarter more samples than at the last look:
/// each look is a chance to stop on a fluke. Ten times past the limit it stops with fewer than `least` samples too.
class Sampling {
 public:
  explicit Sampling(const StopRule& rule) : rule_(rule), next_look_(rule.least) {}
  /// `spent`: seconds since the first sample began.
  Verdict add(double sample, double spent);
  /// As `add`, for a sample that does not count.
  Verdict drop(double spent) const;
  [[nodiscard]] const std::vector<double>& samples() const { return samples_; }

 private:
  StopRule rule_;
  std::size_t next_look_;
  std::vector<double> samples_;
};

}  // namespace thaw::microscope
