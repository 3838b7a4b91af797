#include "app/trace_compare.h"

#include <gmock/gmock.h>

#include "tests/app/support.h"

namespace thaw {
namespace {

using ::testing::HasSubstr;

TraceTable layers() {
  TraceTable table{.kind = TraceKind::layers, .rows = {}};
  table.rows.push_back({"first", {4.0, 1.0, 2.0, 5.0, 1.0, -1.0, 0.5, 5.0}});
  table.rows.push_back({"second", {2.0, 10.0, 1.0, 11.0, 9.0, 9.0, 11.0, 11.0}});
  return table;
}

TraceTable variables() {
  TraceTable table{.kind = TraceKind::variables, .rows = {}};
  table.rows.push_back({"a_conv/bias", {2.0, 1e-16, 1e-17, 1e-17, 1e-17, 1.0, 0.5, 0.5, 0.5}});
  table.rows.push_back({"a_bn/gamma", {2.0, 3.0, 1.0, 1.0, 2.0, 1.0, 0.5, 0.5, 0.5}});
  return table;
}

TEST(TraceCompare, AcceptsATraceOfItsOwn) {
  const auto comparison = compare_traces(layers(), layers(), {.rtol = 0});
  EXPECT_FALSE(comparison.divergence.has_value());
  EXPECT_EQ(comparison.compared, 16U);
}

TEST(TraceCompare, NamesTheFirstLayerThatDiverges) {
  TraceTable found = layers();
  found.rows[1].values[4] = 9.1;
  const auto comparison = compare_traces(found, layers(), {.rtol = 1e-3});
  ASSERT_TRUE(comparison.divergence.has_value());
  EXPECT_THAT(*comparison.divergence, HasSubstr("layer 'second': v_first"));
}

TEST(TraceCompare, MeasuresASmallElementByTheSizeOfItsLayer) {
  TraceTable found = layers(), golden = layers();
  golden.rows[0].values[6] = 1e-9;  // among values of about 2
  found.rows[0].values[6] = 2e-6;
  EXPECT_FALSE(compare_traces(found, golden, {.rtol = 1e-6}).divergence.has_value());
  EXPECT_TRUE(compare_traces(found, golden, {.rtol = 1e-7}).divergence.has_value());
}

TEST(TraceCompare, AllowsHalfAUnitOfTheNinthDigitAndNoMore) {
  TraceTable found = layers(), golden = layers();
  golden.rows[1].values[7] = 11.1234567;
  found.rows[1].values[7] = 11.12345674;
  EXPECT_FALSE(compare_traces(found, golden, {.rtol = 0}).divergence.has_value());
  found.rows[1].values[7] = 11.12345676;
  EXPECT_TRUE(compare_traces(found, golden, {.rtol = 0}).divergence.has_value());
}

TEST(TraceCompare, RefusesNotANumber) {
  TraceTable found = layers();
  found.rows[0].values[2] = std::nan("");
  EXPECT_TRUE(compare_traces(found, layers(), {.rtol = 1}).divergence.has_value());
}

TEST(TraceCompare, NoticesMissingAndSuperfluousRows) {
  TraceTable fewer = layers(), more = layers();
  fewer.rows.pop_back();
  more.rows.push_back({"third", more.rows[0].values});
  EXPECT_THAT(*compare_traces(fewer, layers(), {}).divergence, HasSubstr("'second'"));
  EXPECT_THAT(*compare_traces(more, layers(), {}).divergence, HasSubstr("3 rows"));
}

TEST(TraceCompare, TakesAGradientThatIsTrulyZeroForNoise) {
  TraceTable found = variables();
  found.rows[0].values[1] = 1e-6;  // of a whole gradient of 3
  found.rows[0].values[5] = 2.0;
  const auto comparison = compare_traces(found, variables(), {.rtol = 1e-6});
  EXPECT_FALSE(comparison.divergence.has_value());
  EXPECT_EQ(comparison.noise, 1U);
  found.rows[0].values[1] = 1e-5;
  EXPECT_THAT(*compare_traces(found, variables(), {.rtol = 1e-6}).divergence, HasSubstr("truly 0"));
}

TEST(TraceCompare, NoticesAGradientWhereNoneShouldBe) {
  TraceTable golden = variables();
  for (std::size_t i = 1; i < 5; ++i) golden.rows[1].values[i].reset();
  EXPECT_THAT(*compare_traces(variables(), golden, {}).divergence, HasSubstr("has a value"));
}

TEST(TraceCompare, GivesValuesBehindTheFirstStepMoreRoom) {
  TraceTable found = variables();
  found.rows[1].values[5] = 1.01;
  const TraceTolerance tolerance{.rtol = 1e-5, .late_rtol = 2e-2};
  EXPECT_FALSE(compare_traces(found, variables(), tolerance).divergence.has_value());
  found = variables();
  found.rows[1].values[1] = 3.03;
  EXPECT_TRUE(compare_traces(found, variables(), tolerance).divergence.has_value());
}

TEST(TraceTable, ComesBackFromItsCsv) {
  const testing::TempFolder folder;
  TraceTable table = variables();
  for (std::size_t i = 1; i < 5; ++i) table.rows[1].values[i].reset();
  write_file_atomically(folder.at("t.csv"), to_csv(table));
  const TraceTable back = read_trace_csv(folder.at("t.csv"));
  EXPECT_EQ(back.kind, TraceKind::variables);
  ASSERT_EQ(back.rows.size(), 2U);
  EXPECT_EQ(back.rows[0].values, table.rows[0].values);
  EXPECT_EQ(back.rows[1].values, table.rows[1].values);
}

TEST(TraceTable, SummarisesALayerAsTheGoldenFilesDo) {
  const std::vector<double> output = {1, -2, 3, 4, -5, 6};
  const auto values = summarise_layer(output);
  EXPECT_DOUBLE_EQ(*values[0], 6);
  EXPECT_DOUBLE_EQ(*values[1], 7.0 / 6);
  EXPECT_NEAR(*values[2], 3.7155828, 1e-6);  // population standard deviation
  EXPECT_DOUBLE_EQ(*values[3], 6);
  EXPECT_DOUBLE_EQ(*values[4], 1);
  EXPECT_DOUBLE_EQ(*values[5], 3);
  EXPECT_DOUBLE_EQ(*values[6], -5);
  EXPECT_DOUBLE_EQ(*values[7], 6);
}

}  // namespace
}  // namespace thaw
