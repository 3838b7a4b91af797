#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>

#include "tests/reliability/runs.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;

/// The bytes of a file with the middle one changed.
void spoil(const std::string& path) {
  std::string bytes = read_file(path);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A run that was killed behind its second checkpoint.
void begin(const std::string& run) {
  Process process(training_of_all(run));
  ASSERT_TRUE(process.wait_until([&] { return fs::exists(run + "/checkpoint.thaw.previous"); })) << process.err();
  process.signal(SIGKILL);
  process.wait();
  ASSERT_FALSE(is_finished(run));
}

TEST(RunFolder, GoesOnFromTheCheckpointBeforeADamagedOneAndSaysSo) {
  const TempFolder folder;
  ASSERT_EQ(run_process(training_of_all(folder.at("whole"))).code, 0);
  begin(folder.at("run"));
  spoil(folder.at("run/checkpoint.thaw"));
  const Outcome resumed = run_process({"train", "--resume", folder.at("run")});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("checkpoint.thaw' is a damaged checkpoint: its checksum does not match"));
  EXPECT_THAT(resumed.err, HasSubstr("going on from the one before"));
  expect_same_run(folder.at("whole"), folder.at("run"));
}

TEST(RunFolder, IsRefusedToASecondProcessWhichNamesTheFirst) {
  const TempFolder folder;
  const std::string run = folder.at("run");
  Process first(training_of_all(run));
  ASSERT_TRUE(first.wait_until([&] { return fs::exists(run + "/checkpoint.thaw"); })) << first.err();
  first.signal(SIGSTOP);
  for (const auto& words : {training_of_all(run), std::vector<std::string>{"train", "--resume", run}}) {
    const Outcome second = run_process(words);
    EXPECT_EQ(second.code, 1);
    EXPECT_EQ(second.err, "thaw: '" + run + "' is in use by another thaw (process " + std::to_string(first.pid()) +
                              "); wait until it ends, stop it, or choose another --out\n");
  }
  first.signal(SIGCONT);
  EXPECT_EQ(first.wait(), 0) << first.err();
  EXPECT_FALSE(fs::exists(run + "/.lock"));
}

TEST(RunFolder, OfAKilledRunCanBeTakenAtOnceAndIsTidied) {
  const TempFolder folder;
  const std::string run = folder.at("run");
  begin(run);
  EXPECT_TRUE(fs::exists(run + "/.lock")) << "a killed process removes nothing";
  std::ofstream(run + "/last.h5.4711.tmp") << "half";
  ASSERT_EQ(run_process({"train", "--resume", run}).code, 0);
  EXPECT_EQ(names_in(run), (std::set<std::string>{"best.h5", "checkpoint.thaw", "checkpoint.thaw.previous", "last.h5",
                                                  "metrics.jsonl", "result.json", "settings.json"}));
}

TEST(RunFolder, IsLeftToARunWhoseTerminalIsClosed) {
  const TempFolder folder;
  const std::string run = folder.at("run");
  Process process(training_of_all(run));
  ASSERT_TRUE(process.wait_until([&] { return fs::exists(run + "/checkpoint.thaw"); })) << process.err();
  process.signal(SIGHUP);
  EXPECT_EQ(process.wait(), 129);
  EXPECT_FALSE(process.killed()) << "it saves and ends by itself";
  EXPECT_THAT(process.err(), HasSubstr("thaw train --resume " + run));
}

TEST(RunFolder, HoldsTheSameFilesForOneAndTwoThreadsAndForASecondRun) {
  const TempFolder folder;
  for (const char* dtype : {"f32", "bf16"}) {
    const auto words = [&](const std::string& name, const char* threads) {
      std::vector<std::string> all = training_of_all(folder.at(dtype + name));
      *std::find(all.begin(), all.end(), "f32") = dtype;
      all.insert(all.end(), {"--threads", threads});
      return all;
    };
    ASSERT_EQ(run_process(words("-one", "1")).code, 0);
    ASSERT_EQ(run_process(words("-two", "2")).code, 0);
    ASSERT_EQ(run_process(words("-again", "2")).code, 0);
    SCOPED_TRACE(dtype);
    expect_same_run(folder.at(std::string(dtype) + "-one"), folder.at(std::string(dtype) + "-two"));
    expect_same_run(folder.at(std::string(dtype) + "-two"), folder.at(std::string(dtype) + "-again"));
  }
}

}  // namespace
}  // namespace thaw::testing
