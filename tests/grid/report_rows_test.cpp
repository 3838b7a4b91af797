#include <gmock/gmock.h>

#include <cmath>

#include "grid/report.h"
#include "report_fixture.h"

namespace thaw::grid {
namespace {

using testing::Cell;
using testing::Cells;
using ::testing::ElementsAre;
using testing::GridFolder;
using ::testing::HasSubstr;
using testing::published;

Cell seeded(int seed, double test) {
  return {.seed = seed, .outcome = testing::Outcome{.train = test + 0.05, .val = test + 0.01, .test = test}};
}

TEST(ReportRows, ExperimentsThatDifferInTheSeedAloneAreOneRow) {
  const GridFolder folder(Cells{seeded(1, 0.85), seeded(2, 0.87), seeded(3, 0.92), {.unfreeze = "none"}});
  const GridReport report = make_report(folder.read());
  ASSERT_EQ(report.models.size(), 1U);
  ASSERT_EQ(report.models[0].rows.size(), 2U);
  const ReportRow& row = report.models[0].rows[0];
  EXPECT_THAT(row.seeds, ElementsAre(1, 2, 3));
  EXPECT_NEAR(row.test->mean, 88, 1e-9);
  EXPECT_NEAR(*row.test->sd, std::sqrt(13.0), 1e-9);
  EXPECT_NEAR(row.gap->mean, 4, 1e-9);
  EXPECT_NEAR(*row.gap->sd, 0, 1e-9);
  EXPECT_FALSE(report.models[0].rows[1].test->sd);
  EXPECT_EQ(row.confusion[1][0], 3 * 5) << "matrices are summed over the seeds";
}

TEST(ReportRows, OnlyFinishedSeedsCountInAMean) {
  Cells cells = {seeded(1, 0.90), seeded(2, 0.94), seeded(3, 0.5), seeded(4, 0.5)};
  cells[2].outcome = {};
  cells[3].outcome = {};
  const GridFolder folder(cells);
  folder.put(3, "failure.json", R"({"reason":"out of memory"})");
  const ReportRow row = make_report(folder.read()).models[0].rows[0];
  EXPECT_NEAR(row.test->mean, 92, 1e-9);
  EXPECT_EQ(row.test->count, 2);
  EXPECT_THAT(row.notes, ElementsAre("seed 3: out of memory"));
  EXPECT_EQ(row.states.at(State::waiting), 1);
}

TEST(ReportRows, OtherSettingsThanTheSeedMakeRowsOfTheirOwn) {
  const GridFolder folder(Cells{{.settings = {{"bn", "train"}}}, {.settings = {{"bn", "inference"}}}});
  const GridReport report = make_report(folder.read());
  EXPECT_EQ(report.models[0].rows.size(), 2U);
  EXPECT_THAT(report.varied, ElementsAre("bn"));
  EXPECT_EQ(report.models[0].rows[1].varied.at("bn"), "inference");
  EXPECT_EQ(report.common.count("bn"), 0U);
  EXPECT_EQ(report.common.at("lr"), "1e-05");
}

TEST(ReportRows, ASettingThatFollowsTheModelIsSaidOnceAModel) {
  const GridFolder folder(Cells{{.model = "resnet50", .settings = {{"weights", "r.h5"}}},
                                {.model = "mobilenet_v3_large", .settings = {{"weights", "m.h5"}}}});
  const GridReport report = make_report(folder.read());
  EXPECT_TRUE(report.varied.empty());
  EXPECT_EQ(report.models[0].settings.at("weights"), "r.h5");
  EXPECT_EQ(report.models[1].settings.at("weights"), "m.h5");
}

TEST(ReportRows, RowsHaveThePapersNumbersWhereEachHasItsOwn) {
  GridFolder own(Cells{{.unfreeze = "none", .published = published(7, 90, 90, 90)},
                       {.unfreeze = "blocks:1", .published = published(3, 90, 90, 90)}});
  EXPECT_EQ(make_report(own.read()).models[0].rows[0].number, 7);
  GridFolder shared(Cells{{.published = published(7, 90, 90, 90), .settings = {{"bn", "train"}}},
                          {.published = published(7, 90, 90, 90), .settings = {{"bn", "inference"}}}});
  EXPECT_EQ(make_report(shared.read()).models[0].rows[0].number, 1);
  EXPECT_EQ(make_report(shared.read()).models[0].rows[1].number, 2);
}

TEST(ReportRows, SelectorsAreSortedIntoStrategies) {
  const GridFolder folder(Cells{{.unfreeze = "none"},
                                {.unfreeze = "all"},
                                {.unfreeze = "blocks:12"},
                                {.unfreeze = "layer:100"},
                                {.unfreeze = "glob:conv5_*"},
                                {.unfreeze = "blocks:x"}});
  const GridReport report = make_report(folder.read());
  const std::vector<ReportRow>& rows = report.models[0].rows;
  EXPECT_EQ(rows[0].strategy, Strategy::frozen);
  EXPECT_EQ(rows[1].strategy, Strategy::everything);
  EXPECT_EQ(rows[2].strategy, Strategy::blocks);
  EXPECT_EQ(rows[2].value, 12);
  EXPECT_EQ(rows[3].strategy, Strategy::layers);
  EXPECT_EQ(rows[3].value, 100);
  EXPECT_EQ(rows[4].strategy, Strategy::other);
  EXPECT_EQ(rows[5].strategy, Strategy::other);
}

TEST(ReportRows, ADamagedMetricsFileIsNotedAndHidesNothing) {
  const GridFolder folder(Cells{{}});
  folder.put(1, "metrics.jsonl", "{");
  const ReportRow row = make_report(folder.read()).models[0].rows[0];
  EXPECT_TRUE(row.finished());
  EXPECT_TRUE(row.curves.empty());
  ASSERT_EQ(row.notes.size(), 1U);
  EXPECT_THAT(row.notes[0], HasSubstr("metrics.jsonl is damaged"));
}

}  // namespace
}  // namespace thaw::grid
