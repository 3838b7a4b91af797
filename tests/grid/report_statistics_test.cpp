#include "grid/report_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace thaw::grid {
namespace {

TEST(ReportStatistics, TheDeviationIsThatOfTheSample) {
  const auto spread = spread_of({90, 92, 97});
  ASSERT_TRUE(spread);
  EXPECT_DOUBLE_EQ(spread->mean, 93);
  EXPECT_DOUBLE_EQ(spread->sd.value(), std::sqrt((9.0 + 1.0 + 16.0) / 2));
  EXPECT_EQ(spread->count, 3);
}

TEST(ReportStatistics, OneValueHasNoDeviationAndNoneHasNoMean) {
  EXPECT_FALSE(spread_of({90})->sd);
  EXPECT_FALSE(spread_of({}));
}

TEST(ReportStatistics, RankCorrelationKnowsOrderOnly) {
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 1000}, {0.1, 0.2, 0.3, 0.31}).value(), 1);
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {9, 8, 7, 1}).value(), -1);
  // One swap of neighbours among four: 1 - 6 * 2 / (4 * 15).
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {1, 3, 2, 4}).value(), 0.8);
}

TEST(ReportStatistics, EqualValuesShareTheirMeanRank) {
  // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: Pearson's of those.
  EXPECT_DOUBLE_EQ(rank_correlation({1, 5, 5, 9}, {1, 2, 3, 4}).value(), 4.5 / std::sqrt(4.5 * 5));
}

TEST(ReportStatistics, RankCorrelationOfConstantsOrOfTwoPairsIsNothing) {
  EXPECT_FALSE(rank_correlation({1, 1, 1}, {1, 2, 3}));
  EXPECT_FALSE(rank_correlation({1, 2}, {1, 2}));
}

TEST(ReportStatistics, ChanceIsTheShareOfShufflesThatAreAsStrong) {
  // Of the 24 orders of four, the rising and the falling one are as strong as 1.
  EXPECT_NEAR(chance_of_correlation({1, 2, 3, 4}, {1, 2, 3, 4}, 1), 2.0 / 24, 0.01);
  EXPECT_DOUBLE_EQ(chance_of_correlation({1, 2, 3, 4}, {1, 2, 3, 4}, 0), 1);
  EXPECT_LT(chance_of_correlation({1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 3, 4, 5, 6, 7, 8}, 1), 0.001);
}

}  // namespace
}  // namespace thaw::grid
