#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "tests/reliability/runs.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using Training = std::vector<std::string> (*)(const std::string& out);

/// $NAME as a count, for longer trials by hand.
int count_from(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

class Killed : public ::testing::TestWithParam<Training> {
 protected:
  /// The run that nobody disturbs, and how long it takes.
  void SetUp() override {
    const auto start = Clock::now();
    const Outcome outcome = run_process(GetParam()(folder.at("whole")));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }

  /// Goes on with the run in `name`; sends `signal` after `delay` seconds if it still runs then. Returns the exit code.
  int live(const std::string& name, int signal, double delay) {
    Process process(words_to_go_on(GetParam()(folder.at(name)), folder.at(name)));
    std::this_thread::sleep_for(std::chrono::duration<double>(delay));
    if (process.running()) process.signal(signal);
    const int code = process.wait();
    EXPECT_THAT(code, ::testing::AnyOf(0, 128 + signal)) << process.err();
    EXPECT_TRUE(code != 0 || is_finished(folder.at(name))) << process.err();
    return code;
  }

  void finish(const std::string& name) {
    while (!is_finished(folder.at(name))) {
      const Outcome outcome = run_process(words_to_go_on(GetParam()(folder.at(name)), folder.at(name)));
      ASSERT_EQ(outcome.code, 0) << outcome.err;
    }
    expect_same_run(folder.at("whole"), folder.at(name));
  }

  TempFolder folder;
  double seconds = 0;
  std::mt19937 random{20240229};
};

TEST_P(Killed, AtRandomMomentsARunLeavesTheSameFilesAsAnUndisturbedOne) {
  const int wanted = count_from("THAW_KILLS", 10);  // of each of the two trainings
  std::uniform_real_distribution<double> moment(0, 1);
  int kills = 0;
  for (int run = 0; kills < wanted; ++run) {
    const std::string name = "run" + std::to_string(run);
    while (kills < wanted && !is_finished(folder.at(name))) {
      const int code = live(name, SIGKILL, moment(random) * seconds);
      if (HasFailure()) return;
      kills += code == 0 ? 0 : 1;
    }
    finish(name);
    if (HasFatalFailure()) return;
  }
}

// A run of a thousand such calls is cut into as many stretches as there are trials, and killed at random in each.
TEST_P(Killed, RightBeforeACallThatWritesOrRenamesAFileARunLeavesTheSameFiles) {
  const Traced whole = killed_at_call(GetParam()(folder.at("traced")), 0);
  if (!whole.possible) GTEST_SKIP() << "this system does not let processes be traced";
  ASSERT_GT(whole.calls, 100);
  const int trials = count_from("THAW_KILLS", 8);
  for (int trial = 0; trial < trials; ++trial) {
    const int stretch = whole.calls / trials;
    const int call = trial * stretch + std::uniform_int_distribution<int>(1, stretch)(random);
    SCOPED_TRACE("killed before call " + std::to_string(call) + " of " + std::to_string(whole.calls));
    const std::string name = "run" + std::to_string(trial);
    ASSERT_TRUE(killed_at_call(GetParam()(folder.at(name)), call).killed);
    finish(name);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Killed, BySigintOrSigtermARunSavesItsStepAndLeavesTheSameFiles) {
  std::uniform_real_distribution<double> moment(0, 1);
  int stops = 0;
  for (int trial = 0; trial < 8; ++trial) {
    const int signal = trial % 2 == 0 ? SIGINT : SIGTERM;
    const std::string name = "run" + std::to_string(trial / 4);
    if (is_finished(folder.at(name))) continue;
    const int code = live(name, signal, moment(random) * seconds);
    if (HasFailure()) return;
    stops += code == 0 ? 0 : 1;
  }
  EXPECT_GT(stops, 0);
  finish("run0");
  finish("run1");
}

INSTANTIATE_TEST_SUITE_P(Trainings, Killed, ::testing::Values(&training_of_all, &training_of_blocks),
                         [](const auto& tested) { return tested.index == 0 ? "OfAll" : "OfBlocks"; });

}  // namespace
}  // namespace thaw::testing
