// cuDNN itself, planning for GPUs that are only described: what the rules keep out, and what a request becomes.
#include "kernels/cuda/conv_graph.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "kernels/error.h"

namespace thaw::cuda {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Plans = std::vector<std::shared_ptr<const ConvPlan>>;

/// The first plans of a request, at most `most`.
Plans plans_of(CudnnPlanner& planner, const ConvRequest& request, std::size_t most = 100,
               std::string_view engine = {}) {
  Plans plans;
  planner.for_each_plan(request, engine, [&](std::shared_ptr<const ConvPlan> plan) {
    plans.push_back(std::move(plan));
    return plans.size() < most;
  });
  return plans;
}

ConvRequest forward(std::string_view problem, const ConvRules& rules = {}) {
  return make_request(ConvProblem::parse(problem), ConvDirection::forward, rules);
}

bool any_has(const Plans& plans, std::string_view note) {
  return std::any_of(plans.begin(), plans.end(), [note](const auto& plan) {
    const auto& notes = plan->facts().notes;
    return std::find(notes.begin(), notes.end(), note) != notes.end();
  });
}

TEST(CudnnPlanner, KnowsTheDeviceAndItsOwnVersion) {
  const CudnnPlanner planner(find_device("h200"));
  EXPECT_EQ(planner.device(), "NVIDIA H200");
  EXPECT_THAT(planner.version(), ::testing::StartsWith("cuDNN 9."));
}

TEST(CudnnPlanner, KeepsTensorCoresOutOfF32UnlessTf32IsAllowed) {
  CudnnPlanner planner(find_device("h200"));
  const char* const problem = "n4c64h14w14_k64r3s3p1";
  const Plans strict = plans_of(planner, forward(problem));
  EXPECT_THAT(strict, Not(IsEmpty()));
  EXPECT_FALSE(any_has(strict, "tensor cores"));
  EXPECT_TRUE(any_has(plans_of(planner, forward(problem, {.tf32 = true})), "tensor cores"));
}

TEST(CudnnPlanner, KeepsEnginesWithoutAFixedOrderOutUnlessTheyAreAllowed) {
  CudnnPlanner planner(find_device("h200"));
  const ConvProblem problem = ConvProblem::parse("n32c64h14w14_k64r3s3p1");
  const auto filter = [&](bool fast) {
    return plans_of(planner, make_request(problem, ConvDirection::filter, {.tf32 = true, .fast = fast}));
  };
  EXPECT_FALSE(any_has(filter(false), "nondeterministic"));
  EXPECT_TRUE(any_has(filter(true), "nondeterministic"));
}

TEST(CudnnPlanner, FindsAPlanAgainByItsName) {
  CudnnPlanner planner(find_device("h200"));
  const ConvRequest request = forward("n4c64h14w14_k64r3s3p1");
  const Plans all = plans_of(planner, request);
  ASSERT_GT(all.size(), 2U);
  const std::string name = all[2]->facts().engine;
  const Plans one = plans_of(planner, request, 1, name);
  ASSERT_THAT(one, SizeIs(1));
  EXPECT_EQ(one[0]->facts().engine, name);
  EXPECT_THAT(plans_of(planner, request, 1, "whole:eng999"), IsEmpty());
}

TEST(CudnnPlanner, FusesTheFrozenNetworksEpiloguesInBf16) {
  CudnnPlanner planner(find_device("h200"));
  planner.finish = false;
  for (const char* rest : {"", "+bias", "+bias+relu", "+bias+residual+relu", "+bias+residual", "+bias+hard_swish",
                           "+bias+hard_sigmoid", "+bias+relu6"}) {
    const Plans plans = plans_of(planner, forward(fmt::format("n4c64h14w14_k64r3s3p1{}:bf16", rest)), 1);
    ASSERT_THAT(plans, SizeIs(1)) << rest;
    EXPECT_TRUE(plans[0]->facts().whole) << rest;
  }
}

TEST(CudnnPlanner, PrefersARecommendedBareEngineToOneThatMerelyCanDoItAll) {
  CudnnPlanner planner(find_device("h200"));
  planner.finish = false;
  const Plans plans = plans_of(planner, forward("n4c64h14w14_k64r3s3p1+bias+hard_swish"));
  ASSERT_THAT(plans, Not(IsEmpty()));
  EXPECT_FALSE(plans.front()->facts().whole);
  EXPECT_TRUE(std::any_of(plans.begin(), plans.end(), [](const auto& plan) { return plan->facts().whole; }));
}

TEST(CudnnPlanner, SaysTheSameOfAnEngineThatItAsksAsOfOneThatItFinishes) {
  CudnnPlanner planner(find_device("h200"));
  const ConvRequest request = forward("n4c64h14w14_k64r3s3p1+bias+relu");
  const Plans finished = plans_of(planner, request, 5);
  planner.finish = false;
  const Plans asked = plans_of(planner, request, 5);
  ASSERT_EQ(asked.size(), finished.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    EXPECT_EQ(asked[i]->facts().engine, finished[i]->facts().engine);
    EXPECT_EQ(asked[i]->facts().workspace_bytes, finished[i]->facts().workspace_bytes);
    EXPECT_EQ(asked[i]->facts().notes, finished[i]->facts().notes);
  }
}

TEST(CudnnPlanner, OffersTheBareConvolutionBehindTheWholeProblem) {
  CudnnPlanner planner(find_device("h200"));
  const Plans plans = plans_of(planner, forward("n4c64h14w14_k64r3s3p1+bias+relu:bf16"));
  ASSERT_THAT(plans, Not(IsEmpty()));
  EXPECT_TRUE(plans.front()->facts().whole);
  EXPECT_TRUE(std::any_of(plans.begin(), plans.end(), [](const auto& plan) { return !plan->facts().whole; }));
}

TEST(CudnnPlanner, TakesPaddingThatDiffersFromSideToSide) {
  CudnnPlanner planner(find_device("h200"));
  ConvProblem problem = ConvProblem::parse("n4c8h15w14_k16r3s3u2:bf16");
  problem.pad = {.top = 0, .bottom = 1, .left = 1, .right = 2};
  for (const auto direction : {ConvDirection::forward, ConvDirection::data, ConvDirection::filter}) {
    EXPECT_THAT(plans_of(planner, make_request(problem, direction, {}), 1), SizeIs(1)) << name_of(direction);
  }
}

TEST(CudnnPlanner, SaysWhichTypeAFilterGradientComesIn) {
  CudnnPlanner planner(find_device("h200"));
  const auto first = [&](std::string_view problem) {
    const Plans plans = plans_of(planner, make_request(ConvProblem::parse(problem), ConvDirection::filter, {}), 1);
    return plans.empty() ? "none" : std::string(name_of(plans[0]->facts().output));
  };
  EXPECT_EQ(first("n4c64h14w14_k64r3s3p1"), "f32");
  EXPECT_EQ(first("n4c64h14w14_k64r3s3p1:bf16"), "bf16");
}

TEST(CudnnPlanner, PassesOverEnginesThatWantTooMuchWorkspace) {
  CudnnPlanner planner(find_device("h200"));
  const ConvRequest request = forward("n32c64h56w56_k64r3s3p1");
  const auto largest = [&] {
    std::size_t most = 0;
    for (const auto& plan : plans_of(planner, request)) most = std::max(most, plan->facts().workspace_bytes);
    return most;
  };
  EXPECT_GT(largest(), std::size_t{1} << 20);
  planner.workspace_limit = 1 << 20;
  EXPECT_LE(largest(), std::size_t{1} << 20);
}

TEST(CudnnPlanner, SaysWhyNothingPlans) {
  CudnnPlanner planner(find_device("t4"));
  int plans = 0;
  const std::string reason = planner.for_each_plan(forward("n4c64h14w14_k64r3s3p1:bf16"), "", [&](const auto&) {
    ++plans;
    return true;
  });
  EXPECT_EQ(plans, 0);
  EXPECT_THAT(reason, Not(IsEmpty()));
}

TEST(DeviceFile, ComesForFiveGpus) {
  EXPECT_THAT(known_devices(), ::testing::UnorderedElementsAre("a100", "h100", "h200", "rtx4090", "t4"));
  for (const std::string& name : known_devices()) EXPECT_NO_THROW(CudnnPlanner(find_device(name))) << name;
  EXPECT_EQ(find_device("rtx4090").sm, 89);
  EXPECT_GT(find_device("h200").memory_bytes, std::size_t{140} << 30);
}

void expect_error(const std::function<void()>& call, ErrorKind kind, const std::string& words) {
  try {
    call();
    ADD_FAILURE() << "no error; expected: " << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

TEST(DeviceFile, NamesWhatIsWrongWithIt) {
  const auto parse = [](std::string text) { return [text] { DeviceFile::parse(text, "gpu.json"); }; };
  expect_error(parse("no JSON"), ErrorKind::data, "gpu.json: not a GPU's description");
  expect_error(parse("{}"), ErrorKind::data, "\"deviceName\"");
  expect_error(parse(R"({"deviceName": "X"})"), ErrorKind::data, "\"deviceVer\"");
  expect_error(parse(R"({"deviceName": "X", "deviceVer": 7})"), ErrorKind::data, "\"deviceVer\" is 7");
  expect_error(parse(R"({"deviceName": "X", "deviceVer": 900, "totalGlobalMem": "much"})"), ErrorKind::data,
               "\"totalGlobalMem\"");
  expect_error([] { find_device("h20"); }, ErrorKind::usage, "did you mean 'h200'");
  expect_error([] { find_device("./no/such.json"); }, ErrorKind::data, "no/such.json");
}

TEST(DeviceFile, IsRefusedByCudnnInOneSentence) {
  expect_error([] { CudnnPlanner(DeviceFile{.name = "X", .sm = 90, .json = R"({"deviceName": "X"})"}); },
               ErrorKind::data, "cuDNN does not take the description of X");
}

}  // namespace
}  // namespace thaw::cuda
