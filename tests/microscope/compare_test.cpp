#include "microscope/compare.h"

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace thaw::microscope {
namespace {

Measured measured(double median, double low, double high) {
  return {.median = median, .interval = Interval{low, high}};
}

TEST(Compare, IntervalsApartAreFasterOrSlower) {
  EXPECT_EQ(compare(measured(10, 9.9, 10.1), measured(11, 10.9, 11.1), 0.02), Change::slower);
  EXPECT_EQ(compare(measured(11, 10.9, 11.1), measured(10, 9.9, 10.1), 0.02), Change::faster);
}

TEST(Compare, NarrowIntervalsThatOverlapAreTheSame) {
  EXPECT_EQ(compare(measured(10, 9.95, 10.05), measured(10.04, 9.99, 10.09), 0.02), Change::same);
}

TEST(Compare, ADifferenceBelowTheMarginIsTheSameHoweverSureItIs) {
  EXPECT_EQ(compare(measured(10, 9.999, 10.001), measured(10.1, 10.099, 10.101), 0.02), Change::same);
  EXPECT_EQ(compare(measured(10, 9.999, 10.001), measured(10.1, 10.099, 10.101), 0.005), Change::slower);
}

TEST(Compare, WideIntervalsThatOverlapAreUnsure) {
  EXPECT_EQ(compare(measured(10, 8, 12), measured(11, 9, 13), 0.02), Change::unsure);
  EXPECT_EQ(compare(measured(10, 8, 12), measured(10, 8, 12), 0.02), Change::unsure);
}

TEST(Compare, WithoutAnIntervalNothingIsSure) {
  EXPECT_EQ(compare({.median = 10}, measured(20, 19, 21), 0.02), Change::unsure);
  EXPECT_EQ(compare(measured(20, 19, 21), {.median = 10}, 0.02), Change::unsure);
}

nlohmann::json report(double median) {
  const nlohmann::json time = {{"median_ms", median}, {"low_ms", median * 0.999}, {"high_ms", median * 1.001}};
  return {{"schema", "thaw-bench-1"},
          {"threads", 2},
          {"rows",
           {{{"family", "conv"}, {"problem", "p"}, {"direction", "fwd"}, {"cold", time}, {"hot", time}},
            {{"family", "conv"}, {"problem", "failed"}, {"direction", "fwd"}, {"cold", nullptr}, {"hot", nullptr}}}}};
}

TEST(Compare, RowsArePairedAndThoseWithoutAPartnerListed) {
  nlohmann::json b = report(2);
  b["threads"] = 4;
  b["rows"].push_back(b["rows"][0]);
  b["rows"][2]["direction"] = "wgrad";
  const ComparisonReport found = compare_runs(report(1), "a", b, "b", "hot", 0.02);
  ASSERT_EQ(found.rows.size(), 1U) << "a row that was not timed has no verdict";
  EXPECT_EQ(found.rows[0].change, Change::slower);
  EXPECT_TRUE(found.only_a.empty());
  EXPECT_EQ(found.only_b, std::vector<std::string>{"conv p wgrad"});
  ASSERT_EQ(found.notes.size(), 1U);
  EXPECT_EQ(found.notes[0], "threads differs: 2 and 4");
}

TEST(Compare, ADocumentOfAnotherFormIsBadData) {
  const auto kind_of = [](const nlohmann::json& document) {
    try {
      compare_runs(document, "a.json", report(1), "b.json", "cold", 0.02);
    } catch (const Error& error) {
      EXPECT_NE(std::string_view(error.what()).find("a.json"), std::string_view::npos);
      return error.kind();
    }
    ADD_FAILURE() << document;
    return ErrorKind::failed;
  };
  EXPECT_EQ(kind_of(nullptr), ErrorKind::data);
  EXPECT_EQ(kind_of({{"schema", "thaw-bench-2"}, {"rows", nlohmann::json::array()}}), ErrorKind::data);
  EXPECT_EQ(kind_of({{"schema", "thaw-bench-1"}}), ErrorKind::data);
  nlohmann::json text = report(1);
  text["rows"][0]["cold"]["median_ms"] = "fast";
  EXPECT_EQ(kind_of(text), ErrorKind::data);
  EXPECT_EQ(kind_of(report(0)), ErrorKind::data);
}

}  // namespace
}  // namespace thaw::microscope
