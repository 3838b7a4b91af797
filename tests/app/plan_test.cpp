#include <gmock/gmock.h>

#include "app/plan_report.h"
#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;

TEST(Plan, SaysOfABuildWithoutCudaThatNobodyCanBeAsked) {
  if (call({"devices"}).out.find("this build has no CUDA") == std::string::npos) {
    GTEST_SKIP() << "this build has CUDA; its plans are tested in tests/plans";
  }
  const Outcome outcome = call({"plan", "mobilenet_v3_small", "--gpu", "h200"});
  EXPECT_EQ(outcome.code, exit_device);
  EXPECT_THAT(outcome.err, HasSubstr("this build of thaw has no CUDA"));
  EXPECT_EQ(outcome.out, "");
}

TEST(Plan, ListsTheEnginesThatWereAskedForBelowTheOneThatIsTaken) {
  const ConvProblem problem = ConvProblem::parse("n2c8h6w6_k4r3s3p1:bf16");
  cuda::SurveyRow row{.request = cuda::make_request(problem, ConvDirection::forward, {})};
  row.facts = {.engine = "whole:a", .workspace_bytes = 1 << 20};
  row.engines = {row.facts, {.engine = "bare:b", .notes = {"Winograd"}, .whole = false}};
  PlanReport report;
  report.calls = {{.call = {.problem = problem}, .row = row}};
  const std::string table = to_table(report);
  EXPECT_THAT(table, HasSubstr("  bare:b"));
  EXPECT_THAT(table, HasSubstr("Winograd, then an epilogue"));
  EXPECT_EQ(table.find("whole:a"), table.rfind("whole:a")) << "the engine that is taken has the call's line";
  const nlohmann::json conv = to_json(report)["convolutions"][0];
  ASSERT_EQ(conv["engines"].size(), 2U);
  EXPECT_EQ(conv["engines"][1]["engine"], "bare:b");
  EXPECT_FALSE(conv["engines"][1]["fused"]);
}

TEST(Plan, ChecksItsOptionsFirst) {
  const auto refused = [](std::vector<std::string> more, const std::string& words) {
    std::vector<std::string> all = {"plan", "mobilenet_v3_small", "--gpu", "h200"};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = call(all);
    EXPECT_EQ(outcome.code, exit_usage) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(words));
  };
  refused({"--batch", "0"}, "--batch wants 1 to 65536, not 0");
  refused({"--size", "5000"}, "--size wants at most 4096, not 5000");
  refused({"--dtype", "f64"}, "--dtype is one of f32, bf16, not 'f64'");
  refused({"--unfreeze", "blocks"}, "blocks");
  EXPECT_THAT(call({"plan", "mobilenet_v3_small"}).err, HasSubstr("--gpu is required"));
}

}  // namespace
}  // namespace thaw::testing
