// Own kernels or an engine, timed once and remembered: with a fake library, no cuDNN.
#include "kernels/cuda/norm_plans.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "kernels/cuda/conv_plans.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "tests/plans/fake_norm_planner.h"
#include "tests/plans/fake_planner.h"

namespace thaw::cuda {
namespace {

using ::testing::ElementsAre;
using testing::FakeNormLibrary;
using testing::FakeNormPlanner;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const NormProblem kProblem{.rows = 100, .c = 8, .training = true, .act = Act::relu};

class NormPlanCache : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("thaw_norm_plans_{}", ::getpid());
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] NormPlans plans(NormPlanOptions options = {}) {
    return NormPlans(std::make_unique<FakeNormPlanner>(library_), std::move(options));
  }
  /// "own", or the engine's name.
  static std::string choice(NormPlans& plans, const NormProblem& problem = kProblem,
                            NormDirection direction = NormDirection::forward) {
    const NormPlan* const plan = plans.find(problem, direction);
    return plan == nullptr ? "own" : plan->facts().engine;
  }
  /// Times by a table in which a missing engine cannot run.
  [[nodiscard]] NormPlanOptions timed(std::map<std::string, double> seconds) {
    return {.folder = folder_, .time = [this, seconds = std::move(seconds)](const NormRequest&, const NormPlan* plan) {
              timed_.push_back(plan == nullptr ? "own" : plan->facts().engine);
              const auto found = seconds.find(timed_.back());
              if (found == seconds.end()) fail(ErrorKind::device, "{} cannot run", timed_.back());
              return found->second;
            }};
  }

  FakeNormLibrary library_;
  std::filesystem::path folder_;
  std::vector<std::string> timed_;
};

TEST_F(NormPlanCache, LeavesNormsToOwnKernelsWhereNothingMayBeTimed) {
  NormPlans cache = plans({.folder = folder_});
  EXPECT_EQ(choice(cache), "own");
  EXPECT_THAT(library_.asked, IsEmpty());
  EXPECT_EQ(cache.made(), 0);
}

TEST_F(NormPlanCache, TakesTheFastestEngineWhereItBeatsOwnKernels) {
  NormPlans cache = plans(timed({{"own", 3.0}, {"eng0", 2.0}, {"eng1", 1.0}}));
  EXPECT_EQ(choice(cache), "eng1");
  EXPECT_EQ(choice(cache), "eng1");
  EXPECT_THAT(timed_, ElementsAre("own", "eng0", "eng1"));
  EXPECT_EQ(cache.made(), 1);
}

TEST_F(NormPlanCache, StaysWithOwnKernelsWhereNoEngineIsFaster) {
  NormPlans cache = plans(timed({{"own", 1.0}, {"eng0", 1.0}, {"eng1", 2.0}}));
  EXPECT_EQ(choice(cache), "own");
  EXPECT_EQ(choice(cache), "own");
  EXPECT_THAT(timed_, ElementsAre("own", "eng0", "eng1"));
  EXPECT_EQ(cache.made(), 0);
}

TEST_F(NormPlanCache, StaysWithOwnKernelsWhereNothingPlans) {
  library_.engines.clear();
  NormPlans cache = plans(timed({{"own", 1.0}}));
  EXPECT_EQ(choice(cache), "own");
}

TEST_F(NormPlanCache, LeavesOutAnEngineThatFailsWhileItIsTimed) {
  library_.engines.push_back({.engine = "eng2"});
  NormPlans cache = plans(timed({{"own", 3.0}, {"eng1", std::nan("")}, {"eng2", 2.0}}));
  EXPECT_EQ(choice(cache), "eng2");
  EXPECT_THAT(cache.notes(), ElementsAre(HasSubstr("eng0 cannot run")));
}

TEST_F(NormPlanCache, TimesAnEngineOnceAndNoMoreThanItMay) {
  library_.engines.insert(library_.engines.begin(), library_.engines.front());
  library_.engines.push_back({.engine = "eng2"});
  NormPlanOptions options = timed({{"own", 4.0}, {"eng0", 3.0}, {"eng1", 2.0}, {"eng2", 1.0}});
  options.most_timed = 2;
  NormPlans cache = plans(std::move(options));
  EXPECT_EQ(choice(cache), "eng1");
  EXPECT_THAT(timed_, ElementsAre("own", "eng0", "eng1"));
}

TEST_F(NormPlanCache, AsksOnlyForTheFormsThatWereSeenToPlan) {
  NormPlans cache = plans(timed({{"own", 3.0}, {"eng0", 2.0}, {"eng1", 1.0}}));
  const auto with = [](bool training, bool residual, Act act) {
    return NormProblem{.rows = 100, .c = 8, .training = training, .residual = residual, .act = act};
  };
  for (const NormProblem& own : {with(false, false, Act::linear), with(true, true, Act::linear),
                                 with(true, false, Act::hard_swish), with(true, true, Act::relu6)}) {
    EXPECT_EQ(choice(cache, own), "own") << own.text();
  }
  EXPECT_THAT(timed_, IsEmpty());
  for (const NormProblem& theirs :
       {with(true, false, Act::linear), with(true, false, Act::relu), with(true, true, Act::relu)}) {
    EXPECT_EQ(choice(cache, theirs), "eng1") << theirs.text();
  }
}

TEST_F(NormPlanCache, TellsProblemsDirectionsAndRulesApart) {
  NormPlanOptions options = timed({{"own", 1.0}, {"eng0", 2.0}, {"eng1", 2.0}});
  options.fast = true;
  NormPlans cache = plans(std::move(options));
  NormProblem narrow = kProblem;
  narrow.dtype = Dtype::bf16;
  choice(cache);
  choice(cache, kProblem, NormDirection::backward);
  choice(cache, narrow);
  EXPECT_THAT(library_.asked, ElementsAre("norm_rows100c8+training+relu:f32 forward fast",
                                          "norm_rows100c8+training+relu:f32 backward fast",
                                          "norm_rows100c8+training+relu:bf16 forward fast"));
}

TEST_F(NormPlanCache, FollowsWhatAnEarlierRunTimed) {
  for (const char* const expected : {"eng0", "own"}) {
    std::filesystem::remove_all(folder_);
    std::map<std::string, double> seconds = {{"own", 2.0}, {"eng0", 2.0}, {"eng1", 3.0}};
    seconds[expected] = 1.0;
    {
      NormPlans timing = plans(timed(seconds));
      EXPECT_EQ(choice(timing), expected);
    }
    timed_.clear();
    NormPlans later = plans(timed({}));
    EXPECT_EQ(choice(later), expected);
    EXPECT_THAT(timed_, IsEmpty());
  }
}

TEST_F(NormPlanCache, TimesAnewWhereTheRememberedEngineIsGone) {
  {
    NormPlans first = plans(timed({{"own", 2.0}, {"eng0", 1.0}, {"eng1", 3.0}}));
    choice(first);
  }
  library_.engines.erase(library_.engines.begin());
  NormPlans later = plans(timed({{"own", 4.0}, {"eng1", 3.0}}));
  EXPECT_EQ(choice(later), "eng1");
  EXPECT_THAT(later.notes(), ElementsAre(HasSubstr("eng0 that was chosen for norm_rows100c8+training+relu:f32")));
}

TEST_F(NormPlanCache, ForgetsAProblemWhoseTimingFailed) {
  NormPlans cache = plans(timed({{"eng0", 1.0}, {"eng1", 2.0}}));
  EXPECT_THROW(choice(cache), Error);
  EXPECT_THROW(choice(cache), Error);
}

TEST_F(NormPlanCache, SharesItsFileWithConvolutions) {
  testing::FakeLibrary convolutions;
  const ConvProblem conv = ConvProblem::parse("n2c8h6w6_k8r3s3p1");
  {
    NormPlans norms = plans(timed({{"own", 2.0}, {"eng0", 1.0}, {"eng1", 3.0}}));
    ConvPlans convs(std::make_unique<testing::FakePlanner>(convolutions), {.folder = folder_});
    choice(norms);
    convs.find(conv, ConvDirection::forward);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  const ConvChoices both(folder_, library_.device, library_.version);
  EXPECT_EQ(both.find("norm_rows100c8+training+relu:f32 forward"), (ConvChoice{.engine = "eng0", .timed = true}));
  EXPECT_EQ(both.find("n2c8h6w6_k8r3s3p1:f32 forward"), (ConvChoice{.engine = "whole:a", .timed = false}));
}

}  // namespace
}  // namespace thaw::cuda
