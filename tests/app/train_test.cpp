#include <gmock/gmock.h>

#include <csignal>
#include <streambuf>

#include "tests/app/run_files.h"
#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Collects text and raises a signal as soon as a line shows up in it.
class SignalAt : public std::stringbuf {
 public:
  SignalAt(std::string trigger, int signal) : trigger_(std::move(trigger)), signal_(signal) {}

 protected:
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    const std::streamsize written = std::stringbuf::xsputn(text, count);
    if (!raised_ && str().find(trigger_) != std::string::npos) {
      raised_ = true;
      std::raise(signal_);
    }
    return written;
  }

 private:
  std::string trigger_;
  int signal_;
  bool raised_ = false;
};

Outcome call_with_signal(const std::vector<std::string>& words, const std::string& trigger, int signal) {
  SignalAt buffer(trigger, signal);
  std::ostream out(&buffer);
  std::ostringstream err;
  const int code = run_words(words, out, err);
  return {code, buffer.str(), err.str()};
}

const std::vector<std::string> kBlocks = {"--epochs", "3", "--unfreeze", "blocks:2", "--dropout", "0.3"};
const std::vector<std::string> kAll = {"--epochs", "2", "--unfreeze", "all", "--flip", "--crop"};

TEST(Train, WritesEveryFileOfARun) {
  const TempFolder folder;
  const Outcome outcome = call(small_training(folder.at("run"), {"--epochs", "1"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* name : {"settings.json", "metrics.jsonl", "checkpoint.thaw", "best.h5", "last.h5", "result.json"}) {
    EXPECT_TRUE(fs::exists(folder.path() / "run" / name)) << name;
  }
}

TEST(Train, ReportsWhatAReaderNeedsToRepeatTheRun) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("run"), kBlocks)).code, 0);
  const nlohmann::json result = read_json(folder.at("run/result.json"));
  for (const char* key : {"settings",
                          "weights_sha256",
                          "data_sha256",
                          "split",
                          "trainable_parameters",
                          "cut",
                          "train_accuracy",
                          "train_loss",
                          "train_eval_accuracy",
                          "val_accuracy",
                          "val_loss",
                          "test_accuracy",
                          "test_loss",
                          "best_epoch",
                          "best_test_accuracy",
                          "confusion_matrix",
                          "class_names",
                          "seconds",
                          "images_per_second",
                          "peak_memory_bytes",
                          "thaw",
                          "device",
                          "dtype"}) {
    EXPECT_TRUE(result.contains(key)) << key;
  }
  EXPECT_EQ(result.at("split").at("train"), 24);
  EXPECT_EQ(result.at("confusion_matrix").size(), 5U);
  EXPECT_GE(result.at("test_accuracy").get<double>(), 0);
  EXPECT_LE(result.at("test_accuracy").get<double>(), 1);
}

TEST(Train, CountsEveryTestPhotoInTheConfusionMatrix) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("run"), {"--epochs", "1"})).code, 0);
  const nlohmann::json result = read_json(folder.at("run/result.json"));
  int all = 0, right = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t j = 0; j < 5; ++j) {
      const int count = result.at("confusion_matrix").at(i).at(j).get<int>();
      all += count;
      right += i == j ? count : 0;
    }
  }
  EXPECT_EQ(all, 8);
  EXPECT_DOUBLE_EQ(result.at("test_accuracy").get<double>(), right / 8.0);
}

TEST(Train, SaysThatPhotosWereDrawn) {
  const TempFolder folder;
  const Outcome outcome = call(small_training(folder.at("run"), {"--epochs", "1"}));
  EXPECT_THAT(outcome.out, HasSubstr("DRAWN PHOTOS, not TF Flowers"));
  EXPECT_TRUE(read_json(folder.at("run/result.json")).at("drawn_photos").get<bool>());
}

TEST(Train, PrintsTheResultAsJsonAlone) {
  const TempFolder folder;
  const Outcome outcome = call(small_training(folder.at("run"), {"--epochs", "1", "--json"}));
  EXPECT_EQ(nlohmann::json::parse(outcome.out), read_json(folder.at("run/result.json")));
}

TEST(Train, PrintsPlainLinesWhereNoTerminalIs) {
  const TempFolder folder;
  const Outcome outcome = call(small_training(folder.at("run"), {"--epochs", "2"}));
  EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("\r")));
  EXPECT_THAT(outcome.out, HasSubstr("epoch  2/2"));
}

TEST(Train, SaysThatAGpusOptionsChangeNothingElsewhere) {
  const TempFolder folder;
  const Outcome without = call(small_training(folder.at("without"), {"--epochs", "1"}));
  const Outcome with = call(small_training(folder.at("with"), {"--epochs", "1", "--fast"}));
  EXPECT_THAT(without.out, Not(HasSubstr("--fast")));
  EXPECT_THAT(with.out, HasSubstr("note     --tf32, --fast and --autotune change nothing on cpu"));
}

TEST(Train, GivesTheSameBitsForTheSameSeed) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("a"), kAll)).code, 0);
  ASSERT_EQ(call(small_training(folder.at("b"), kAll)).code, 0);
  expect_same_run(folder.at("a"), folder.at("b"));
}

TEST(Train, GivesOtherWeightsForAnotherSeed) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("a"), {"--epochs", "1"})).code, 0);
  ASSERT_EQ(call(small_training(folder.at("b"), {"--epochs", "1", "--seed", "1"})).code, 0);
  EXPECT_FALSE(read_file(folder.at("a/last.h5")) == read_file(folder.at("b/last.h5")));
}

TEST(Train, GivesTheSameBitsForOneAndTwoThreads) {
  const TempFolder folder;
  std::vector<std::string> one = kAll, two = kAll;
  one.insert(one.end(), {"--threads", "1"});
  two.insert(two.end(), {"--threads", "2"});
  ASSERT_EQ(call(small_training(folder.at("a"), one)).code, 0);
  ASSERT_EQ(call(small_training(folder.at("b"), two)).code, 0);
  expect_same_run(folder.at("a"), folder.at("b"));
}

TEST(Train, GivesTheSameBitsWithAndWithoutThePrefixCache) {
  const TempFolder folder;
  std::vector<std::string> uncached = kBlocks;
  uncached.emplace_back("--no-cache");
  ASSERT_EQ(call(small_training(folder.at("a"), kBlocks)).code, 0);
  ASSERT_EQ(call(small_training(folder.at("b"), uncached)).code, 0);
  expect_same_run(folder.at("a"), folder.at("b"));
}

TEST(Train, StopsAtCtrlCAndSaysHowToGoOn) {
  const TempFolder folder;
  const Outcome outcome = call_with_signal(small_training(folder.at("run"), kBlocks), "epoch  1/3", SIGINT);
  EXPECT_EQ(outcome.code, 130);
  EXPECT_THAT(outcome.err, HasSubstr("thaw train --resume " + folder.at("run")));
  EXPECT_FALSE(fs::exists(folder.at("run/result.json")));
}

TEST(Train, StopsAtSigtermWithItsOwnExitCode) {
  const TempFolder folder;
  EXPECT_EQ(call_with_signal(small_training(folder.at("run"), kBlocks), "epoch  1/3", SIGTERM).code, 143);
}

TEST(Train, ResumesToTheSameBitsWithACachedPrefix) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("whole"), kBlocks)).code, 0);
  ASSERT_EQ(call_with_signal(small_training(folder.at("parts"), kBlocks), "epoch  1/3", SIGINT).code, 130);
  const Outcome resumed = call({"train", "--resume", folder.at("parts")});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  expect_same_run(folder.at("whole"), folder.at("parts"));
}

TEST(Train, ResumesToTheSameBitsWithAugmentationAndTrainingNorms) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("whole"), kAll)).code, 0);
  ASSERT_EQ(call_with_signal(small_training(folder.at("parts"), kAll), "prefix ", SIGINT).code, 130);
  ASSERT_EQ(call({"train", "--resume", folder.at("parts")}).code, 0);
  expect_same_run(folder.at("whole"), folder.at("parts"));
}

TEST(Train, ResumesInTheMiddleOfAnEpoch) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("whole"), kAll)).code, 0);
  ASSERT_EQ(call_with_signal(small_training(folder.at("parts"), kAll), "epoch  1/2", SIGINT).code, 130);
  const Outcome resumed = call({"train", "--resume", folder.at("parts")});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("resumed  in epoch 2"));
  expect_same_run(folder.at("whole"), folder.at("parts"));
}

TEST(Train, TrainsAFinishedRunOn) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("whole"), kBlocks)).code, 0);
  std::vector<std::string> shorter = kBlocks;
  shorter[1] = "2";
  ASSERT_EQ(call(small_training(folder.at("parts"), shorter)).code, 0);
  EXPECT_EQ(call({"train", "--resume", folder.at("parts")}).code, 2) << "a finished run must ask for more epochs";
  ASSERT_EQ(call({"train", "--resume", folder.at("parts"), "--epochs", "3"}).code, 0);
  EXPECT_EQ(timeless_metrics(folder.at("whole")), timeless_metrics(folder.at("parts")));
  EXPECT_TRUE(read_file(folder.at("whole/last.h5")) == read_file(folder.at("parts/last.h5")));
}

TEST(Train, RefusesToResumeOnOtherPhotos) {
  const TempFolder folder;
  fs::copy(drawn_photos(), folder.at("photos"), fs::copy_options::recursive);
  std::vector<std::string> words = small_training(folder.at("run"), kBlocks);
  *std::find(words.begin(), words.end(), drawn_photos()) = folder.at("photos");
  ASSERT_EQ(call_with_signal(words, "epoch  1/3", SIGINT).code, 130);
  const auto photo = *fs::directory_iterator(folder.at("photos/drawn_rose"));
  fs::copy_file(*fs::directory_iterator(folder.at("photos/drawn_tulip")), photo.path(),
                fs::copy_options::overwrite_existing);
  const Outcome outcome = call({"train", "--resume", folder.at("run")});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("changed since the run"));
}

TEST(Train, StopsEarlyBehindThePatience) {
  const TempFolder folder;
  // A rate of 1e-12 changes no prediction, so that only the first epoch improves.
  ASSERT_EQ(call(small_training(folder.at("run"), {"--epochs", "9", "--early-stop", "2", "--lr", "1e-12"})).code, 0);
  const nlohmann::json result = read_json(folder.at("run/result.json"));
  EXPECT_EQ(result.at("epochs"), 3);
  EXPECT_EQ(result.at("best_epoch"), 1);
  EXPECT_TRUE(result.at("stopped_early").get<bool>());
}

TEST(Train, WritesTrainingAccuracyInInferenceModeEachEpochWhereAsked) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("run"), {"--epochs", "2", "--train-eval", "each"})).code, 0);
  for (const nlohmann::json& line : timeless_metrics(folder.at("run"))) {
    EXPECT_TRUE(line.contains("train_eval_accuracy"));
  }
}

TEST(Train, TrainsAHeadWithHiddenLayers) {
  const TempFolder folder;
  const Outcome outcome =
      call(small_training(folder.at("run"), {"--epochs", "1", "--head", "16,8", "--dropout", "0.1"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  // 576 pooled channels: 577*16 + 17*8 + 9*5
  EXPECT_EQ(read_json(folder.at("run/result.json")).at("trainable_parameters"), 577 * 16 + 17 * 8 + 9 * 5);
}

TEST(Train, TakesTheClassifierOfAnEarlierRunOverForTheSameClasses) {
  const TempFolder folder;
  ASSERT_EQ(call(small_training(folder.at("a"), {"--epochs", "1"})).code, 0);
  std::vector<std::string> words = small_training(folder.at("b"), {"--epochs", "1", "--lr", "1e-12"});
  *std::find(words.begin(), words.end(), "synth") = folder.at("a/last.h5");
  const Outcome outcome = call(words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NEAR(read_json(folder.at("a/result.json")).at("test_loss").get<double>(),
              read_json(folder.at("b/result.json")).at("test_loss").get<double>(), 1e-6);
}

}  // namespace
}  // namespace thaw::testing
