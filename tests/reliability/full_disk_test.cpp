#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tests/reliability/runs.h"
#include "tests/reliability/small_disk.h"

namespace thaw::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

std::int64_t count_of(const std::string& text, const std::string& part) {
  std::int64_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);  // npos + 1 is 0
}

std::vector<std::string> long_training(const std::string& out) {
  return small_training(
      out, {"--epochs", "12", "--unfreeze", "blocks:2", "--dropout", "0.3", "--checkpoint-steps", "1", "--lr", "1e-3"});
}

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome = run_process(long_training(folder.at("whole")));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }

  /// Waits until the run has saved something, then holds it.
  static void hold_begun(Process& process, const std::string& run) {
    ASSERT_TRUE(process.wait_until([&] { return fs::exists(run + "/checkpoint.thaw.previous"); })) << process.err();
    process.signal(SIGSTOP);
  }

  static void expect_sound_checkpoint(const std::string& run) {
    std::string note;
    EXPECT_FALSE(read_checkpoint(run + "/checkpoint.thaw", &note).arrays.empty());
    EXPECT_EQ(note, "") << "the checkpoint itself must be whole, not only the one before";
  }

  /// Lets a held run fail to save, and checks what it says and leaves.
  static void expect_it_goes_on(Process& process, const std::string& run) {
    process.signal(SIGCONT);
    ASSERT_TRUE(process.wait_until([&] { return count_of(process.err(), "tries again") >= 3; })) << process.err();
    process.signal(SIGSTOP);
    expect_sound_checkpoint(run);
  }

  /// No room to the end, then `--resume` with room.
  void expect_resume_completes(Process& process, const std::string& run, const std::function<void()>& make_room) {
    process.signal(SIGCONT);
    EXPECT_EQ(process.wait(), 1) << process.err();
    EXPECT_THAT(last_line(process.err()), HasSubstr("thaw: cannot write '" + run));
    EXPECT_THAT(last_line(process.err()), HasSubstr("nothing is lost"));
    EXPECT_FALSE(is_finished(run));
    expect_sound_checkpoint(run);
    make_room();
    const Outcome resumed = run_process({"train", "--resume", run});
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    expect_same_run(folder.at("whole"), run);
  }

  TempFolder folder;
};

TEST_F(FullDisk, LetsARunGoOnAndSaveAgainOnceThereIsRoom) {
  const SmallDisk disk(folder.at("small"));
  if (!disk.mounted()) GTEST_SKIP() << "this system lets the tests mount no small disk";
  const std::string run = folder.at("small/run");
  Process process(long_training(run));
  hold_begun(process, run);
  disk.fill();
  expect_it_goes_on(process, run);
  EXPECT_THAT(process.err(),
              ContainsRegex("thaw: cannot write '.*/run/(checkpoint.thaw.new|best.h5)': No space left on "
                            "device \\([0-9]+ bytes are wanted, [0-9]+ are free\\); free some space"));
  disk.make_room();
  process.signal(SIGCONT);
  EXPECT_EQ(process.wait(), 0) << process.err();
  EXPECT_THAT(process.err(), HasSubstr("can be written again and holds all that was done"));
  expect_same_run(folder.at("whole"), run);
}

TEST_F(FullDisk, EndsARunWithOneSentenceAndResumeCompletesIt) {
  const SmallDisk disk(folder.at("small"));
  if (!disk.mounted()) GTEST_SKIP() << "this system lets the tests mount no small disk";
  const std::string run = folder.at("small/run");
  Process process(long_training(run));
  hold_begun(process, run);
  disk.fill();
  expect_resume_completes(process, run, [&] { disk.make_room(); });
}

TEST_F(FullDisk, KeepsWhatIsSavedWhenTheRunIsInterrupted) {
  const SmallDisk disk(folder.at("small"));
  if (!disk.mounted()) GTEST_SKIP() << "this system lets the tests mount no small disk";
  const std::string run = folder.at("small/run");
  Process process(long_training(run));
  hold_begun(process, run);
  disk.fill();
  process.signal(SIGINT);
  process.signal(SIGCONT);
  EXPECT_EQ(process.wait(), 1);
  EXPECT_THAT(last_line(process.err()), HasSubstr("could not be saved"));
  expect_sound_checkpoint(run);
  disk.make_room();
  ASSERT_EQ(run_process({"train", "--resume", run}).code, 0);
  expect_same_run(folder.at("whole"), run);
}

TEST_F(FullDisk, IsOneSentenceAtTheStart) {
  const SmallDisk disk(folder.at("small"));
  if (!disk.mounted()) GTEST_SKIP() << "this system lets the tests mount no small disk";
  disk.fill();
  const std::vector<std::string> weights = {"weights", "synth", "mobilenet_v3_small", "--out", folder.at("small/w.h5")};
  for (const std::vector<std::string>& words : {long_training(folder.at("small/run")), weights}) {
    const Outcome outcome = run_process(words);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("No space left on device"));
    EXPECT_EQ(count_of(outcome.err, "\n"), 1) << outcome.err;
  }
  EXPECT_EQ(names_in(folder.at("small")), std::set<std::string>{"filler"});
}

// A limit on file sizes fails a write as a full disk does, needs no rights, and can be moved while a run goes on.
class FileLimit : public FullDisk {
 protected:
  static constexpr rlim_t kTooSmall = 200'000;  // for checkpoints and weights; settings and metrics fit

  static void set_limit(const Process& process, rlim_t bytes) {
    const rlimit limit{.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    ASSERT_EQ(::prlimit(process.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  }
};

TEST_F(FileLimit, LetsARunGoOnAndSaveAgainOnceItIsLifted) {
  const std::string run = folder.at("run");
  Process process(long_training(run));
  hold_begun(process, run);
  set_limit(process, kTooSmall);
  expect_it_goes_on(process, run);
  EXPECT_THAT(process.err(), ContainsRegex("thaw: cannot write '.*/run/(checkpoint.thaw.new|best.h5)': File too large "
                                           "\\([0-9]+ bytes are wanted, `ulimit -f` allows 200000\\)"));
  set_limit(process, RLIM_INFINITY);
  process.signal(SIGCONT);
  EXPECT_EQ(process.wait(), 0) << process.err();
  EXPECT_THAT(process.err(), HasSubstr("can be written again and holds all that was done"));
  expect_same_run(folder.at("whole"), run);
}

TEST_F(FileLimit, EndsARunThatCouldNeverSaveAndResumeCompletesIt) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "LLVM's OpenMP, which ThreadSanitizer needs, maps a file that this limit cuts short";
#endif
  const std::string run = folder.at("run");
  Process process(long_training(run), {.file_limit = kTooSmall});
  EXPECT_EQ(process.wait(), 1) << process.err();
  EXPECT_THAT(last_line(process.err()), HasSubstr("nothing is lost"));
  EXPECT_EQ(names_in(run), std::set<std::string>{"settings.json"});
  const Outcome resumed = run_process({"train", "--resume", run});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  expect_same_run(folder.at("whole"), run);
}

}  // namespace
}  // namespace thaw::testing
