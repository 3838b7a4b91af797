#include <gmock/gmock.h>

#include "grid/report.h"
#include "report_fixture.h"

namespace thaw::grid {
namespace {

using ::testing::AllOf;
using testing::Cell;
using testing::Cells;
using ::testing::Contains;
using testing::GridFolder;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using testing::published;
using ::testing::StartsWith;

/// All sentences about something, one below the other.
std::string said(const GridReport& report, const std::string& about) {
  std::string text;
  for (const Finding& finding : report.findings) {
    if (finding.about == about) text += finding.text + "\n";
  }
  return text;
}

GridReport report_of(const Cells& cells, const nlohmann::json& facts = nlohmann::json::object()) {
  const GridFolder folder(cells, facts);
  return make_report(folder.read());
}

GridReport varied_report() {
  const GridFolder folder(testing::varied_cells(), testing::varied_facts());
  testing::break_varied(folder);
  return make_report(folder.read());
}

Cell cell(const std::string& unfreeze, Outcome outcome, std::int64_t parameters = 1000) {
  return {.unfreeze = unfreeze, .outcome = outcome, .parameters = parameters};
}

TEST(ReportFindings, ProgressCountsEachState) {
  EXPECT_EQ(said(varied_report(), "progress"),
            "9 of 12 experiments are finished; 1 has failed, 1 is half done and 1 is waiting.\n");
  EXPECT_EQ(said(report_of({}), "progress"), "The grid holds no experiment.\n");
  EXPECT_EQ(said(report_of({{}}), "progress"), "The only experiment is finished.\n");
  EXPECT_EQ(said(report_of({{}, {.unfreeze = "none"}}), "progress"), "All 2 experiments are finished.\n");
  EXPECT_EQ(said(report_of({{}, {.unfreeze = "none", .outcome = {}}}), "progress"),
            "1 of 2 experiments is finished; 1 is waiting.\n");
  EXPECT_EQ(said(report_of({{.outcome = {}}, {.unfreeze = "none", .outcome = {}}}), "progress"),
            "No experiment of 2 is finished: 2 are waiting.\n");
}

TEST(ReportFindings, AGridWithoutResultsSaysNothingElse) {
  const GridReport report = report_of({{.outcome = {}}, {.unfreeze = "none", .outcome = {}}}, testing::varied_facts());
  EXPECT_EQ(report.findings.size(), 1U);
  EXPECT_THAT(report.remarks, IsEmpty());
  EXPECT_FALSE(report.best_test);
}

TEST(ReportFindings, TheBestIsSaidBesideThePublishedBest) {
  const GridReport report = varied_report();
  EXPECT_THAT(said(report, "best"),
              StartsWith("The highest test accuracy is 93.00 %: MobileNetV3-Large with the last 3 blocks unfrozen."));
  Cell low = cell("blocks:3", {.test = 0.9}), high = cell("none", {.test = 0.8});
  low.published = published(1, 90, 90, 70);
  high.published = published(2, 90, 90, 95);
  EXPECT_THAT(said(report_of({low, high}), "best"),
              HasSubstr("The published tables have theirs, 95.00 %, at ResNet50 with the base frozen, which reaches "
                        "80.00 % here."));
  high.published = published(2, 90, 90, 60);
  EXPECT_THAT(said(report_of({low, high}), "best"), HasSubstr("have their highest there too, 70.00 %."));
}

TEST(ReportFindings, EqualBestRowsAreAllNamed) {
  const GridReport report = report_of({cell("blocks:1", {.test = 0.9}), cell("blocks:2", {.test = 0.9})});
  EXPECT_THAT(said(report, "best"), HasSubstr("ResNet50 with the last block unfrozen and ResNet50 with the last 2"));
  EXPECT_EQ(report.best.size(), 2U);
}

TEST(ReportFindings, UnfreezingGainsLosesOrDoesNothing) {
  const auto gain = [](double tuned) {
    return said(report_of({cell("none", {.test = 0.8}), cell("blocks:1", {.test = tuned})}), "strategies");
  };
  EXPECT_THAT(gain(0.9), HasSubstr("At its best, unfreezing gains 10.00 points."));
  EXPECT_THAT(gain(0.75), HasSubstr("At its best, unfreezing loses 5.00 points."));
  EXPECT_THAT(gain(0.8), HasSubstr("Unfreezing gains nothing at its best."));
  EXPECT_THAT(said(report_of({cell("none", {.test = 0.8})}), "strategies"), Not(HasSubstr("nfreezing")));
}

TEST(ReportFindings, TheGapIsSignedAndBesideThePublishedOne) {
  const GridReport report = varied_report();
  ASSERT_TRUE(report.models[0].gap);
  EXPECT_NEAR(report.models[0].gap->ours, 4, 1e-9);
  EXPECT_NEAR(*report.models[0].gap->published_rows, 5, 1e-9);
  EXPECT_EQ(report.models[1].gap->rows, 3);
  EXPECT_THAT(said(report, "gap"),
              HasSubstr("ResNet50: train minus validation accuracy is +4.00 points on average over 6 experiments. "
                        "The published value is +6.56. The published rows of the same experiments give +5.00.\n"));
  EXPECT_THAT(said(report_of({cell("none", {.train = 0.7, .val = 0.82})}), "gap"),
              AllOf(HasSubstr("is −12.00 points on average over 1 experiment."), Not(HasSubstr("ublished"))));
}

TEST(ReportFindings, TheTrainAccuracyOfInferenceModeIsSaidWhereEveryRowHasIt) {
  Cell first = cell("none", {.train = 0.7, .val = 0.8});
  first.result = {{"train_eval_accuracy", 0.85}};
  const Cell second = cell("blocks:1", {.train = 0.7, .val = 0.8});
  EXPECT_THAT(said(report_of({first}), "gap"), HasSubstr("(+5.00 with the train accuracy of inference mode)"));
  EXPECT_THAT(said(report_of({first, second}), "gap"), Not(HasSubstr("inference")));
}

/// Six rows whose gap rises, falls or jumps with the trainable parameters.
GridReport overfitting_report(const std::vector<double>& gaps) {
  Cells cells;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const auto n = static_cast<int>(i) + 1;
    cells.push_back(cell("blocks:" + std::to_string(n), {.train = 0.8 + gaps[i], .val = 0.8}, 1000 * n));
  }
  return report_of(cells);
}

TEST(ReportFindings, OverfittingIsDecidedByTheData) {
  EXPECT_THAT(said(overfitting_report({.01, .02, .03, .04, .05, .06, .07}), "overfitting"),
              AllOf(HasSubstr("the more is trained, the further train accuracy is above"),
                    HasSubstr("rank correlation +1.00"), HasSubstr("7 experiments")));
  EXPECT_THAT(
      said(overfitting_report({.07, .06, .05, .04, .03, .02, .01}), "overfitting"),
      AllOf(HasSubstr("the more is trained, the less train accuracy is above"), HasSubstr("rank correlation −1.00")));
  EXPECT_THAT(said(overfitting_report({.03, .07, .01, .06, .02, .05}), "overfitting"), HasSubstr("no clear relation"));
  EXPECT_THAT(said(overfitting_report({.01, .05, .02, .06, .03, .04}), "overfitting"),
              AllOf(HasSubstr("no clear relation"), HasSubstr("rank correlation +0.37")));
  EXPECT_THAT(said(overfitting_report({.01, .02, .03}), "overfitting"), IsEmpty()) << "three are too few";
}

TEST(ReportFindings, TheAdviceHoldsOrDoesNotOrIsLost) {
  const auto advice = [](double inside, double outside) {
    return said(
        report_of({cell("blocks:3", {.test = inside}), cell("blocks:8", {.test = outside})}, testing::varied_facts()),
        "advice");
  };
  EXPECT_THAT(advice(0.9, 0.8), HasSubstr("Best by blocks here is 90.00 % with the last 3 blocks unfrozen: the advice "
                                          "holds here."));
  EXPECT_THAT(advice(0.8, 0.9), HasSubstr("10.00 points above the best that the advice names: it does not hold here."));
  EXPECT_THAT(advice(0.89, 0.9), HasSubstr("less than the standard error, so this speaks neither for nor against it"));
  EXPECT_THAT(said(report_of({cell("blocks:8", {})}, testing::varied_facts()), "advice"),
              HasSubstr("nothing that the advice names is finished"));
  EXPECT_THAT(said(report_of({cell("none", {})}, testing::varied_facts()), "advice"), IsEmpty());
}

TEST(ReportFindings, TheTimeRatioComparesWhatBothRan) {
  const GridReport report = varied_report();
  ASSERT_TRUE(report.time_ratio);
  EXPECT_NEAR(report.time_ratio->ratio, 3.06, 1e-9);
  EXPECT_NEAR(*report.time_ratio->training, 300.0 / 94, 1e-9);
  EXPECT_EQ(report.time_ratio->compared.size(), 3U);
  EXPECT_THAT(said(report, "time"), AllOf(HasSubstr("over the 3 experiments that both finished alike (frozen, 1 block "
                                                    "and 3 blocks"),
                                          HasSubstr("The published ratio is 3.0 to 4.0: this one lies within it.")));
  Cell slow = cell("none", {.seconds = 994}), fast = cell("none", {.seconds = 94}), other = cell("none", {});
  fast.model = "mobilenet_v3_large";
  EXPECT_THAT(said(report_of({slow, fast}, testing::varied_facts()), "time"),
              AllOf(HasSubstr("over the one experiment"), HasSubstr("lies above it")));
  other.model = "mobilenet_v3_large";
  other.epochs = 5;
  EXPECT_FALSE(report_of({slow, other}, testing::varied_facts()).time_ratio) << "other epochs are not comparable";
}

TEST(ReportFindings, AgreementIsOursMinusThePublishedValue) {
  const GridReport report = varied_report();
  EXPECT_NEAR(report.models[0].agreement->mean, -1, 1e-9);
  EXPECT_NEAR(report.models[1].agreement->mean, 2, 1e-9);
  EXPECT_THAT(said(report, "agreement"),
              AllOf(HasSubstr("Over 6 experiments ResNet50's test accuracy lies 1.00 points below the published one"),
                    HasSubstr("strongly resembles the published one (rank correlation +1.00)"),
                    HasSubstr("MobileNetV3-Large's test accuracy lies 2.00 points above")));
}

TEST(ReportFindings, SecondsAreComparedWithThePrediction) {
  Cell taken = cell("none", {.seconds = 94});
  EXPECT_THAT(said(report_of({taken}), "seconds"), HasSubstr("The finished experiments took 1 min 40 s together"));
  taken.predicted = {{"seconds", 80}};
  EXPECT_THAT(said(report_of({taken}), "seconds"), HasSubstr("That is 25 % more than the 1 min 20 s"));
  taken.predicted = {{"seconds", 200}};
  EXPECT_THAT(said(report_of({taken}), "seconds"), HasSubstr("That is 50 % less than the 3 min 20 s"));
}

TEST(ReportFindings, FrozenPartsAreSaidToTakeTheirTimeOnce) {
  Cell first = cell("none", {.seconds = 94}), second = cell("blocks:1", {});
  second.result = {{"seconds", {{"data", 1}, {"prefix", 0}, {"train", 15}, {"evaluate", 4}, {"total", 20}}}};
  const GridReport shared = report_of({first, second});
  EXPECT_EQ(said(shared, "seconds"),
            "The finished experiments took 2 min 00 s together, 2.0 s of it for frozen parts.\n");
  EXPECT_THAT(shared.remarks, Contains(HasSubstr("experiments that share it find it ready")));
  const GridReport without = report_of({second});
  EXPECT_EQ(said(without, "seconds"), "The finished experiments took 20 s together.\n");
  EXPECT_THAT(without.remarks, Not(Contains(HasSubstr("frozen part"))));
}

TEST(ReportFindings, DrawnPhotosAndArtificialWeightsAreSaidAloud) {
  const auto loud = [](const nlohmann::json& result) {
    Cell one = cell("none", {}), two = cell("blocks:1", {});
    one.result = result;
    std::string text;
    for (const Notice& notice : report_of({one, two}).notices) text += notice.loud ? notice.text : std::string();
    return text;
  };
  EXPECT_THAT(
      loud({{"drawn_photos", true}}),
      HasSubstr("DRAWN PHOTOS. 1 of 2 results comes from drawn pictures: these figures say nothing about real"));
  EXPECT_THAT(loud({{"weights_source", "synth"}}), HasSubstr("SYNTHETIC WEIGHTS. 1 of 2 experiments starts from"));
  EXPECT_THAT(loud({{"weights_source", "none"}}), HasSubstr("NO PRETRAINED WEIGHTS."));
  EXPECT_THAT(loud({{"weights_source", "w.h5"}}), IsEmpty());
}

TEST(ReportFindings, ResultsOfDifferentPhotosAreNotedAsNotComparable) {
  Cell other = cell("none", {});
  other.result = {{"data_sha256", std::string(64, 'd')}};
  const GridReport report = report_of({other, cell("blocks:1", {})});
  ASSERT_EQ(report.notices.size(), 1U);
  EXPECT_THAT(report.notices[0].text, HasSubstr("2 different sets of photos"));
  EXPECT_EQ(report.provenance.at("photos").size(), 2U);
}

}  // namespace
}  // namespace thaw::grid
