// Which plan is taken, made once and remembered: with a fake library, no cuDNN.
#include "kernels/cuda/conv_plans.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "kernels/error.h"
#include "kernels/files.h"
#include "tests/plans/fake_planner.h"

namespace thaw::cuda {
namespace {

using ::testing::ElementsAre;
using testing::FakeLibrary;
using testing::FakePlanner;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ConvProblem kProblem = ConvProblem::parse("n2c8h6w6_k8r3s3p1+bias+relu");

class ConvPlanCache : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("thaw_plans_{}", ::getpid());
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] ConvPlans plans(ConvPlanOptions options = {}) {
    return ConvPlans(std::make_unique<FakePlanner>(library_), std::move(options));
  }
  static std::string engine(ConvPlans& plans) { return plans.find(kProblem, ConvDirection::forward).facts().engine; }
  /// Times engines by a table in which a missing one cannot run.
  [[nodiscard]] ConvPlanOptions timed(std::map<std::string, double> seconds) {
    return {.folder = folder_, .time = [this, seconds = std::move(seconds)](const ConvRequest&, const ConvPlan& plan) {
              timed_.push_back(plan.facts().engine);
              const auto found = seconds.find(plan.facts().engine);
              if (found == seconds.end()) fail(ErrorKind::device, "{} cannot run", plan.facts().engine);
              return found->second;
            }};
  }
  /// The one file in the folder.
  [[nodiscard]] std::filesystem::path file() const { return std::filesystem::directory_iterator(folder_)->path(); }
  void rewrite(const std::function<void(std::string&)>& change) const {
    std::string text = read_file(file());
    change(text);
    std::ofstream(file(), std::ios::binary) << text;
  }

  FakeLibrary library_;
  std::filesystem::path folder_;
  std::vector<std::string> timed_;
};

TEST_F(ConvPlanCache, TakesTheHeuristicsFirstPlanAndMakesItOnce) {
  ConvPlans cache = plans();
  EXPECT_EQ(engine(cache), "whole:a");
  EXPECT_EQ(engine(cache), "whole:a");
  EXPECT_EQ(library_.made, 1);
  EXPECT_EQ(cache.made(), 1);
}

TEST_F(ConvPlanCache, TellsProblemsDirectionsAndRulesApart) {
  ConvPlans cache = plans({.rules = {.tf32 = true, .fast = true}});
  cache.find(kProblem, ConvDirection::forward);
  cache.find(kProblem, ConvDirection::data);
  cache.find(kProblem, ConvDirection::filter);
  ConvProblem narrow = kProblem;
  narrow.dtype = Dtype::bf16;
  cache.find(narrow, ConvDirection::forward);
  EXPECT_THAT(library_.asked,
              ElementsAre("n2c8h6w6_k8r3s3p1+bias+relu:f32 forward tf32 fast", "n2c8h6w6_k8r3s3p1:f32 data tf32 fast",
                          "n2c8h6w6_k8r3s3p1:f32 filter tf32 fast", "n2c8h6w6_k8r3s3p1+bias+relu:bf16 forward fast"));
}

TEST_F(ConvPlanCache, NamesTheRequestAndTheReasonWhereNothingPlans) {
  library_.engines.clear();
  ConvPlans cache = plans();
  try {
    engine(cache);
    FAIL() << "a plan came out of nothing";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), HasSubstr("n2c8h6w6_k8r3s3p1+bias+relu:f32 forward on NVIDIA Test GPU"));
    EXPECT_THAT(error.what(), HasSubstr("the fake refuses the rest"));
  }
}

TEST_F(ConvPlanCache, TakesTheFastestOfAllWhereItMayTime) {
  ConvPlans cache = plans(timed({{"whole:a", 3.0}, {"whole:b", 2.0}, {"bare:c", 1.0}}));
  EXPECT_EQ(engine(cache), "bare:c");
  EXPECT_THAT(timed_, ElementsAre("whole:a", "whole:b", "bare:c"));
}

TEST_F(ConvPlanCache, TimesAnEngineOnceAndNoMoreThanItMay) {
  library_.engines.insert(library_.engines.begin(), library_.engines.front());
  ConvPlanOptions options = timed({{"whole:a", 3.0}, {"whole:b", 2.0}, {"bare:c", 1.0}});
  options.most_timed = 2;
  ConvPlans cache = plans(std::move(options));
  EXPECT_EQ(engine(cache), "whole:b");
  EXPECT_THAT(timed_, ElementsAre("whole:a", "whole:b"));
}

TEST_F(ConvPlanCache, LeavesOutAnEngineThatFailsWhileItIsTimed) {
  ConvPlans cache = plans(timed({{"whole:b", 2.0}, {"bare:c", std::nan("")}}));
  EXPECT_EQ(engine(cache), "whole:b");
  EXPECT_THAT(cache.notes(), ElementsAre(HasSubstr("whole:a cannot run")));
}

TEST_F(ConvPlanCache, SaysWhyWhereNoEngineSurvivesTheTiming) {
  ConvPlans cache = plans(timed({}));
  try {
    engine(cache);
    FAIL() << "an engine that cannot run was chosen";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot run"));
  }
}

TEST_F(ConvPlanCache, FollowsWhatAnEarlierRunTimed) {
  {
    ConvPlans timing = plans(timed({{"whole:a", 2.0}, {"whole:b", 1.0}, {"bare:c", 3.0}}));
    EXPECT_EQ(engine(timing), "whole:b");
  }
  library_.asked.clear();
  ConvPlans later = plans({.folder = folder_});
  EXPECT_EQ(engine(later), "whole:b");
  EXPECT_THAT(library_.asked, ElementsAre("n2c8h6w6_k8r3s3p1+bias+relu:f32 forward -> whole:b"));
  ConvPlans again = plans(timed({{"whole:a", 0.1}}));
  timed_.clear();
  EXPECT_EQ(engine(again), "whole:b");
  EXPECT_THAT(timed_, IsEmpty());
}

TEST_F(ConvPlanCache, TimesWhatAnEarlierRunOnlyGuessed) {
  {
    ConvPlans guess = plans({.folder = folder_});
    EXPECT_EQ(engine(guess), "whole:a");
  }
  {
    ConvPlans timing = plans(timed({{"whole:a", 2.0}, {"whole:b", 1.0}, {"bare:c", 3.0}}));
    EXPECT_EQ(engine(timing), "whole:b");
  }
  ConvPlans later = plans({.folder = folder_});
  EXPECT_EQ(engine(later), "whole:b");
}

TEST_F(ConvPlanCache, ChoosesAnewWhereTheRememberedEngineIsGone) {
  {
    ConvPlans first = plans({.folder = folder_});
    engine(first);
  }
  library_.engines.erase(library_.engines.begin());
  ConvPlans later = plans({.folder = folder_});
  EXPECT_EQ(engine(later), "whole:b");
  EXPECT_THAT(later.notes(), ElementsAre(HasSubstr("whole:a that was chosen for n2c8h6w6_k8r3s3p1+bias+relu:f32")));
}

TEST_F(ConvPlanCache, KeepsDevicesAndVersionsInFilesOfTheirOwn) {
  for (const char* version : {"cuDNN 1.2.3", "cuDNN 1.2.4"}) {
    for (const char* device : {"NVIDIA Test GPU", "NVIDIA Other GPU"}) {
      library_.version = version;
      library_.device = device;
      ConvPlans cache = plans({.folder = folder_});
      engine(cache);
    }
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 4);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "nvidia-test-gpu_cudnn-1.2.3.plans"));
}

TEST_F(ConvPlanCache, KeepsWhatAnotherProcessAddedMeanwhile) {
  {
    ConvPlans first = plans({.folder = folder_});
    ConvPlans second = plans({.folder = folder_});
    first.find(kProblem, ConvDirection::data);
    second.find(kProblem, ConvDirection::filter);
  }
  const ConvChoices both(folder_, library_.device, library_.version);
  EXPECT_TRUE(both.find("n2c8h6w6_k8r3s3p1:f32 data"));
  EXPECT_TRUE(both.find("n2c8h6w6_k8r3s3p1:f32 filter"));
}

TEST_F(ConvPlanCache, RunsOnWhereTheFolderCannotBeWritten) {
  std::ofstream(folder_) << "a file where the folder should be";
  ConvPlans cache = plans({.folder = folder_});
  EXPECT_EQ(engine(cache), "whole:a");
  EXPECT_THROW(cache.save(), Error);
}

class DamagedChoices : public ConvPlanCache {
 protected:
  void SetUp() override {
    ConvPlanCache::SetUp();
    ConvPlans first = plans(timed({{"whole:a", 2.0}, {"whole:b", 1.0}, {"bare:c", 3.0}}));
    engine(first);
    first.save();
  }
  /// The file is passed over with a note that holds `reason`, and the heuristics decide.
  void expect_refused(const std::string& reason) {
    ConvPlans later = plans({.folder = folder_});
    EXPECT_THAT(later.notes(), ElementsAre(HasSubstr(reason)));
    EXPECT_EQ(engine(later), "whole:a");
  }
};

TEST_F(DamagedChoices, AreUsedWhileTheyAreWhole) {
  ConvPlans later = plans({.folder = folder_});
  EXPECT_EQ(engine(later), "whole:b");
  EXPECT_THAT(later.notes(), IsEmpty());
}

TEST_F(DamagedChoices, AreRefusedWithOneByteChanged) {
  rewrite([](std::string& text) { text[text.find("whole:b") + 6] = 'c'; });
  expect_refused("its digest does not fit");
}

TEST_F(DamagedChoices, AreRefusedCutShort) {
  rewrite([](std::string& text) { text.resize(text.size() / 2); });
  expect_refused("its digest does not fit");
}

TEST_F(DamagedChoices, AreRefusedAsBytesOfSomethingElse) {
  rewrite([](std::string& text) { text.assign(1000, '\0'); });
  expect_refused("its digest does not fit");
}

TEST_F(DamagedChoices, AreRefusedUnderTheNameOfAnotherDevice) {
  const std::filesystem::path from = file();
  library_.device = "NVIDIA Other GPU";
  std::filesystem::rename(from, folder_ / "nvidia-other-gpu_cudnn-1.2.3.plans");
  expect_refused("it is not about NVIDIA Other GPU");
}

TEST_F(DamagedChoices, AreRefusedAsAFileOfManyMegabytes) {
  std::filesystem::resize_file(file(), 9U << 20);
  expect_refused("too large");
}

TEST_F(DamagedChoices, AreReplacedByTheNextSave) {
  rewrite([](std::string& text) { text.resize(text.size() / 2); });
  {
    ConvPlans later = plans({.folder = folder_});
    engine(later);
  }
  ConvPlans last = plans({.folder = folder_});
  engine(last);
  EXPECT_THAT(last.notes(), IsEmpty());
}

}  // namespace
}  // namespace thaw::cuda
