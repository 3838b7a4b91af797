#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "tests/app/grid_files.h"
#include "tests/app/process.h"
#include "tests/reliability/small_disk.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

class KilledGrid : public ::testing::Test {
 protected:
  /// The grid that nobody disturbs, and how long it takes.
  void SetUp() override {
    file = write_text(folder.at("grid.toml"), small_grid_text());
    const auto start = Clock::now();
    const Outcome outcome = run_process(words("whole"));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }

  [[nodiscard]] std::vector<std::string> words(const std::string& name) const {
    return small_grid(file, folder.at(name), {"--checkpoint-steps", "1"});
  }

  /// Runs or goes on with the grid in `name` and sends `signal` at a random moment; returns the exit code.
  int live(const std::string& name, int signal) {
    Process process(words(name));
    std::uniform_real_distribution<double> moment(0, seconds);
    std::this_thread::sleep_for(std::chrono::duration<double>(moment(random)));
    if (process.running()) process.signal(signal);
    const int code = process.wait();
    EXPECT_THAT(code, ::testing::AnyOf(0, 128 + signal)) << process.err();
    return code;
  }

  TempFolder folder;
  std::string file;
  double seconds = 0;
  std::mt19937 random{20261125};
};

TEST_F(KilledGrid, AtTwentyRandomMomentsLeavesTheSameFilesAsAnUndisturbedOne) {
  int kills = 0;
  for (int grid = 0; kills < 20; ++grid) {
    const std::string name = "grid" + std::to_string(grid);
    int code = -1;
    while (code != 0 && kills < 20) {
      code = live(name, SIGKILL);
      if (HasFailure()) return;
      kills += code == 0 ? 0 : 1;
    }
    if (code != 0) {
      ASSERT_EQ(run_process(words(name)).code, 0);
    }
    expect_same_grid(folder.at("whole"), folder.at(name));
    if (HasFailure()) return;
  }
}

TEST_F(KilledGrid, BySigintOrSigtermSaysWhatGoesOnAndLeavesTheSameFiles) {
  int stops = 0;
  for (int trial = 0; trial < 6; ++trial) {
    const int code = live("grid", trial % 2 == 0 ? SIGINT : SIGTERM);
    if (HasFailure()) return;
    stops += code == 0 ? 0 : 1;
  }
  EXPECT_GT(stops, 0);
  ASSERT_EQ(run_process(words("grid")).code, 0);
  expect_same_grid(folder.at("whole"), folder.at("grid"));
}

TEST_F(KilledGrid, IsRefusedToASecondProcessWhichNamesTheFirst) {
  Process first(words("grid"));
  ASSERT_TRUE(first.wait_until([&] { return fs::exists(folder.at("grid/mobilenet_v3_small")); })) << first.err();
  first.signal(SIGSTOP);
  const Outcome second = run_process(words("grid"));
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err,
              HasSubstr(fmt::format("'{}' is in use by another thaw (process {})", folder.at("grid"), first.pid())));
  const Outcome status = run_process({"grid", "status", folder.at("grid"), "--json"});
  EXPECT_EQ(nlohmann::json::parse(status.out).at("running_process"), first.pid());
  first.signal(SIGCONT);
  EXPECT_EQ(first.wait(), 0) << first.err();
  expect_same_grid(folder.at("whole"), folder.at("grid"));
}

TEST_F(KilledGrid, OnAFullDiskStopsWithOneSentenceAndGoesOnOnceThereIsRoom) {
  const SmallDisk disk(folder.at("small"), 256);
  if (!disk.mounted()) GTEST_SKIP() << "this system lets the tests mount no small disk";
  const std::string name = "small/grid";
  Process process(words(name));
  const auto finished = [&] {
    int results = 0;
    for (const std::string& path : experiment_files(folder.at(name))) results += path.ends_with("result.json") ? 1 : 0;
    return results;
  };
  ASSERT_TRUE(process.wait_until([&] { return fs::exists(folder.at(name)) && finished() >= 2; })) << process.err();
  process.signal(SIGSTOP);
  disk.fill();
  process.signal(SIGCONT);
  EXPECT_EQ(process.wait(), 1) << process.err();
  EXPECT_THAT(process.err(), HasSubstr("nothing is lost"));
  EXPECT_THAT(process.err(), HasSubstr("No space left on device"));
  EXPECT_LT(finished(), 7);
  disk.make_room();
  const Outcome again = run_process(words(name));
  EXPECT_EQ(again.code, 0) << again.err;
  expect_same_grid(folder.at("whole"), folder.at(name));
}

}  // namespace
}  // namespace thaw::testing
