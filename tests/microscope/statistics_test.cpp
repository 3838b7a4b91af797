#include "microscope/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/pointwise.h"

namespace thaw::microscope {
namespace {

/// Draws from a distribution with a long tail, as times have: exponential, median ln 2.
class Times {
 public:
  explicit Times(std::uint64_t seed) : seed_(seed) {}
  double next() {
    const double u = (static_cast<double>(pointwise::random_bits(seed_, count_++) >> 11) + 0.5) * 0x1.0p-53;
    return -std::log(u);
  }

 private:
  std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

TEST(Statistics, TheMediansRanksAreThoseOfTheBinomialTable) {
  EXPECT_FALSE(median_ranks(0));
  EXPECT_FALSE(median_ranks(5));
  // Published tables (e.g. Conover): n = 6: 1 and 6; n = 10: 2 and 9; n = 20: 6 and 15; n = 100: 40 and 61.
  EXPECT_EQ(median_ranks(6), std::pair(std::size_t{0}, std::size_t{5}));
  EXPECT_EQ(median_ranks(10), std::pair(std::size_t{1}, std::size_t{8}));
  EXPECT_EQ(median_ranks(20), std::pair(std::size_t{5}, std::size_t{14}));
  EXPECT_EQ(median_ranks(100), std::pair(std::size_t{39}, std::size_t{60}));
}

TEST(Statistics, TheIntervalHoldsTheMedianInAtLeast95PercentOfAllRuns) {
  for (const int samples : {6, 11, 40, 300}) {
    int held = 0;
    constexpr int runs = 4000;
    for (int run = 0; run < runs; ++run) {
      Times times(static_cast<std::uint64_t>(run) * 31 + 7);
      std::vector<double> drawn;
      for (int i = 0; i < samples; ++i) drawn.push_back(times.next());
      const auto interval = summarise(drawn).interval;
      ASSERT_TRUE(interval);
      if (interval->low <= std::log(2.0) && std::log(2.0) <= interval->high) ++held;
    }
    EXPECT_GE(held, runs * 94 / 100) << samples << " samples";  // 95 % less three deviations
  }
}

TEST(Statistics, QuartilesAndMedianLieBetweenSamples) {
  const Summary summary = summarise({4, 1, 3, 2});
  EXPECT_DOUBLE_EQ(summary.median, 2.5);
  EXPECT_DOUBLE_EQ(summary.first_quartile, 1.75);
  EXPECT_DOUBLE_EQ(summary.third_quartile, 3.25);
  EXPECT_FALSE(summary.interval) << "four samples say nothing about 95 %";
}

TEST(Statistics, SamplingStopsAsSoonAsTheIntervalIsNarrow) {
  Sampling sampling({.precision = 0.01, .limit = 1e9});
  Verdict verdict = Verdict::go_on;
  for (int i = 0; verdict == Verdict::go_on; ++i) verdict = sampling.add(i % 2 == 0 ? 1.0 : 1.005, 0);
  EXPECT_EQ(verdict, Verdict::settled);
  EXPECT_EQ(sampling.samples().size(), 6U);
}

TEST(Statistics, SamplingGoesOnUntilNoiseIsAveragedOut) {
  Sampling sampling({.precision = 0.05, .limit = 1e9, .most = 1'000'000});
  Times times(3);
  Verdict verdict = Verdict::go_on;
  while (verdict == Verdict::go_on) verdict = sampling.add(10 + times.next(), 0);
  EXPECT_EQ(verdict, Verdict::settled);
  const Summary summary = summarise(sampling.samples());
  EXPECT_GT(summary.samples, 6U);
  EXPECT_LE(summary.interval->high - summary.interval->low, 0.05 * summary.median);
}

TEST(Statistics, SamplingStopsAtTheTimeLimitWithTheLeastSamples) {
  Sampling sampling({.precision = 1e-9, .limit = 1});
  Times times(5);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(sampling.add(times.next(), 2.0), Verdict::go_on) << "an interval needs six";
  EXPECT_EQ(sampling.add(times.next(), 2.0), Verdict::out_of_time);
}

TEST(Statistics, SamplingOfAVerySlowCallStopsWithoutAnInterval) {
  Sampling sampling({.limit = 1});
  EXPECT_EQ(sampling.add(11, 11), Verdict::out_of_time);
  EXPECT_FALSE(summarise(sampling.samples()).interval);
}

}  // namespace
}  // namespace thaw::microscope
