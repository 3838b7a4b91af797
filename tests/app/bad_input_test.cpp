#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>

#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A request that must be refused: the words, the exit code, and what the sentence must say.
struct BadInput {
  std::string name;
  std::function<std::vector<std::string>(const TempFolder&)> words;
  int code;
  std::string says;
};

void PrintTo(const BadInput& bad, std::ostream* out) { *out << bad.name; }

void write(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A training whose options come in the order of the last one winning nothing: each option is given once.
std::vector<std::string> train_words(const TempFolder& folder, const std::string& data, const std::string& weights,
                                     const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"train", "--model", "mobilenet_v3_small", "--data", data, "--weights",
                                    weights, "--out",   folder.at("run")};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> with_options(const TempFolder& folder, const std::vector<std::string>& more) {
  return train_words(folder, drawn_photos(), "synth", more);
}

std::string made_weights(const TempFolder& folder, const std::string& model) {
  const Outcome made = call({"weights", "synth", model, "--out", folder.at("w.h5")});
  EXPECT_EQ(made.code, 0) << made.err;
  return folder.at("w.h5");
}

std::string copy_of_drawn(const TempFolder& folder) {
  fs::copy(drawn_photos(), folder.at("photos"), fs::copy_options::recursive);
  return folder.at("photos");
}

fs::path first_photo(const std::string& data) {
  for (const auto& entry : fs::recursive_directory_iterator(data)) {
    if (entry.path().extension() == ".jpg") return entry.path();
  }
  throw std::runtime_error("no photo was drawn");
}

const std::vector<BadInput>& bad_inputs() {
  static const std::vector<BadInput> table = {
      // Commands and options.
      {"NoCommand", [](auto&) { return std::vector<std::string>{}; }, 2, "wants a command"},
      {"UnknownCommand", [](auto&) { return std::vector<std::string>{"trian"}; }, 2, "did you mean 'train'?"},
      {"UnknownSubcommand",
       [](auto&) {
         return std::vector<std::string>{"weights", "inspekt", "x.h5"};
       },
       2, "did you mean 'inspect'?"},
      {"UnknownOption",
       [](const TempFolder& f) {
         return with_options(f, {"--epoch", "3"});
       },
       2, "did you mean '--epochs'?"},
      {"UnknownOptionBesidesMissingOnes",
       [](auto&) {
         return std::vector<std::string>{"train", "--modle", "resnet50"};
       },
       2, "did you mean '--model'?"},
      {"ExtraArgument",
       [](auto&) {
         return std::vector<std::string>{"devices", "cpu"};
       },
       2, "no further argument"},
      {"MissingOut",
       [](auto&) {
         return std::vector<std::string>{"train", "--weights", "none", "--data", "x"};
       },
       2, "--out is needed"},
      {"LetterForNumber",
       [](const TempFolder& f) {
         return with_options(f, {"--batch", "many"});
       },
       2, "--batch"},
      {"BatchZero",
       [](const TempFolder& f) {
         return with_options(f, {"--batch", "0"});
       },
       2, "--batch wants at least 1 photo, not 0"},
      {"NegativeLearningRate",
       [](const TempFolder& f) {
         return with_options(f, {"--lr", "-0.1"});
       },
       2, "--lr wants a positive number, not -0.1"},
      {"NoEpochs",
       [](const TempFolder& f) {
         return with_options(f, {"--epochs", "0"});
       },
       2, "--epochs"},
      {"DropoutOfOne",
       [](const TempFolder& f) {
         return with_options(f, {"--dropout", "1"});
       },
       2, "--dropout"},
      {"TinySize",
       [](const TempFolder& f) {
         return with_options(f, {"--size", "16"});
       },
       2, "at least 32"},
      {"UnknownNormMode",
       [](const TempFolder& f) {
         return with_options(f, {"--bn", "trian"});
       },
       2, "did you mean 'train'?"},
      {"UnknownDtype",
       [](const TempFolder& f) {
         return with_options(f, {"--dtype", "f23"});
       },
       2, "--dtype"},
      {"UnknownDevice",
       [](const TempFolder& f) {
         return with_options(f, {"--device", "tpu"});
       },
       2, "tpu"},
      {"UnreadableCacheLimit",
       [](const TempFolder& f) {
         return with_options(f, {"--cache-limit", "lots"});
       },
       2, "--cache-limit wants a size"},
      {"UnreadableSplit",
       [](const TempFolder& f) {
         return with_options(f, {"--split", "train=all"});
       },
       2, "split"},
      {"OverlappingSplit",
       [](const TempFolder& f) {
         return with_options(f, {"--split", "train=train[:80%],val=train[70%:90%],test=train[90%:]"});
       },
       2, "overlap"},
      {"ImpossibleSelector",
       [](const TempFolder& f) {
         return with_options(f, {"--unfreeze", "layer:9999"});
       },
       2, "9999"},
      {"MisspeltSelector",
       [](const TempFolder& f) {
         return with_options(f, {"--unfreeze", "block:3"});
       },
       2, "blocks"},
      {"SelectorThatMatchesNothing",
       [](const TempFolder& f) {
         return with_options(f, {"--unfreeze", "glob:conv9_*"});
       },
       2, "conv9_*"},
      {"UnknownModel",
       [](const TempFolder& f) {
         return std::vector<std::string>{"train",     "--model", "resnet51", "--data",   drawn_photos(),
                                         "--weights", "synth",   "--out",    f.at("run")};
       },
       2, "resnet50"},
      {"MissingModel",
       [](const TempFolder& f) {
         return std::vector<std::string>{"train", "--data", drawn_photos(), "--weights", "synth", "--out", f.at("run")};
       },
       2, "--model is needed"},
      // Photos.
      {"MissingFolder", [](const TempFolder& f) { return train_words(f, f.at("nowhere"), "synth"); }, 3, "nowhere"},
      {"EmptyFolder",
       [](const TempFolder& f) {
         fs::create_directories(f.at("empty"));
         return train_words(f, f.at("empty"), "synth");
       },
       3, "empty"},
      {"OneClass",
       [](const TempFolder& f) {
         fs::create_directories(f.at("one/rose"));
         fs::copy(first_photo(drawn_photos()), f.at("one/rose/a.jpg"));
         return train_words(f, f.at("one"), "synth");
       },
       3, "class"},
      {"TruncatedPhoto",
       [](const TempFolder& f) {
         const std::string data = copy_of_drawn(f);
         const fs::path photo = first_photo(data);
         fs::resize_file(photo, fs::file_size(photo) / 2);
         return train_words(f, data, "synth");
       },
       3, ".jpg"},
      {"TextInsteadOfPhoto",
       [](const TempFolder& f) {
         write(f.at("a.jpg"), "no photo");
         return std::vector<std::string>{"features", "--model", "mobilenet_v3_small", "--weights",
                                         "synth",    "--out",   f.at("x.h5"),         f.at("a.jpg")};
       },
       3, "a.jpg"},
      {"EvaluationOfOtherClasses",
       [](const TempFolder& f) {
         const Outcome trained = call(small_training(f.at("run"), {"--epochs", "1"}));
         EXPECT_EQ(trained.code, 0) << trained.err;
         const std::string data = copy_of_drawn(f);
         fs::rename(data + "/drawn_rose", data + "/drawn_peony");
         return std::vector<std::string>{"eval", "--weights", f.at("run/last.h5"), "--data", data};
       },
       3, "drawn_peony"},
      // Weights.
      {"MissingWeights", [](const TempFolder& f) { return train_words(f, drawn_photos(), f.at("no.h5")); }, 3,
       "there is no weights file"},
      {"TextAsWeights",
       [](const TempFolder& f) {
         write(f.at("text.h5"), "these are no weights at all, only a sentence");
         return train_words(f, drawn_photos(), f.at("text.h5"));
       },
       3, "text.h5"},
      {"TruncatedWeights",
       [](const TempFolder& f) {
         const std::string file = made_weights(f, "mobilenet_v3_small");
         fs::resize_file(file, fs::file_size(file) / 2);
         return train_words(f, drawn_photos(), file);
       },
       3, "w.h5"},
      {"WeightsOfAnotherModel",
       [](const TempFolder& f) { return train_words(f, drawn_photos(), made_weights(f, "mobilenet_v3_large")); }, 3,
       "mobilenet_v3_large"},
      {"WeightsWithoutClassifier",
       [](const TempFolder& f) {
         return std::vector<std::string>{"eval", "--weights", made_weights(f, "mobilenet_v3_small"), "--data",
                                         drawn_photos()};
       },
       2, "has no classifier"},
      // Output.
      {"OutIsAFile",
       [](const TempFolder& f) {
         write(f.at("run"), "a file");
         return with_options(f, {});
       },
       1, "it is a file"},
      {"OutBelowAFile",
       [](const TempFolder& f) {
         write(f.at("file"), "a file");
         return std::vector<std::string>{"train",  "--model",      "mobilenet_v3_small",
                                         "--data", drawn_photos(), "--weights",
                                         "synth",  "--out",        f.at("file/run")};
       },
       1, "file/run"},
      {"OutHoldsARun",
       [](const TempFolder& f) {
         write(f.at("run/settings.json"), "{}");
         return with_options(f, {});
       },
       2, "--resume"},
      {"ResumeOfNothing",
       [](const TempFolder& f) {
         return std::vector<std::string>{"train", "--resume", f.at("no")};
       },
       3, "holds no run"},
      {"ResumeWithOtherOptions",
       [](const TempFolder& f) {
         return std::vector<std::string>{"train", "--resume", f.at("no"), "--lr", "1"};
       },
       2, "--lr cannot be changed"},
      {"DamagedSettings",
       [](const TempFolder& f) {
         write(f.at("run/settings.json"), "{\"settings\":");
         return std::vector<std::string>{"train", "--resume", f.at("run")};
       },
       3, "settings.json"},
      // Traces.
      {"UnreadableTraceInput",
       [](auto&) {
         return std::vector<std::string>{"trace",   "resnet50",  "--weights", "synth",
                                         "--input", "synth:big", "--csv",     "/dev/null"};
       },
       2, "synth:SIZExBATCH"},
      {"TraceForNothing",
       [](auto&) {
         return std::vector<std::string>{"trace", "resnet50", "--weights", "synth", "--input", "synth:32x1"};
       },
       2, "nothing to do"},
      {"GoldenThatIsNoTrace",
       [](const TempFolder& f) {
         write(f.at("g.csv"), "a,b\n1,2\n");
         return std::vector<std::string>{"trace",   "mobilenet_v3_small", "--weights", "synth",
                                         "--input", "synth:32x1",         "--compare", f.at("g.csv")};
       },
       3, "is no trace"},
      {"F64OnTheProcessorBackend",
       [](auto&) {
         return std::vector<std::string>{"trace", "mobilenet_v3_small", "--weights", "synth", "--input", "synth:32x1",
                                         "--csv", "/dev/null",          "--device",  "cpu",   "--dtype", "f64"};
       },
       4, "does not compute in f64"},
  };
  return table;
}

class BadInputTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, EndsWithItsSentenceAndExitCode) {
  const TempFolder folder;
  const std::vector<std::string> words = GetParam().words(folder);
  const Outcome outcome = call(words);
  EXPECT_EQ(outcome.code, GetParam().code) << fmt::format("{}", outcome.err);
  EXPECT_THAT(outcome.err, StartsWith("thaw: "));
  EXPECT_THAT(outcome.err, HasSubstr(GetParam().says));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << "one sentence, not:\n" << outcome.err;
}

INSTANTIATE_TEST_SUITE_P(Table, BadInputTest, ::testing::ValuesIn(bad_inputs()),
                         [](const auto& tested) { return tested.param.name; });

TEST(BadInput, LeavesNoEmptyRunFolderBehind) {
  const TempFolder folder;
  EXPECT_EQ(call(train_words(folder, folder.at("nowhere"), "synth")).code, 3);
  EXPECT_FALSE(fs::exists(folder.at("run")));
}

TEST(BadInput, SkipsAndCountsATruncatedPhotoWhereAsked) {
  const TempFolder folder;
  const std::string data = copy_of_drawn(folder);
  const fs::path photo = first_photo(data);
  fs::resize_file(photo, fs::file_size(photo) / 2);
  std::vector<std::string> words = small_training(folder.at("run"), {"--epochs", "1", "--bad-images", "skip"});
  *std::find(words.begin(), words.end(), drawn_photos()) = data;
  const Outcome outcome = call(words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json result = read_json(folder.at("run/result.json"));
  EXPECT_EQ(result.at("skipped").size(), 1U);
  EXPECT_EQ(result.at("photos").get<int>(), 39);
}

}  // namespace
}  // namespace thaw::testing
