#include "tests/app/bad_input.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <utility>

namespace thaw::testing {

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

void copy_photos(const fs::path& dir) { fs::copy(drawn_photos(), dir / "photos", fs::copy_options::recursive); }

fs::path photo_in(const fs::path& data) {
  std::vector<fs::path> photos;
  for (const auto& entry : fs::recursive_directory_iterator(data)) {
    if (entry.path().extension() == ".jpg") photos.push_back(entry.path());
  }
  return *std::min_element(photos.begin(), photos.end());
}

void make_weights(const fs::path& dir) {
  const Outcome made = call({"weights", "synth", "mobilenet_v3_small", "--out", (dir / "w.h5").string()});
  ASSERT_EQ(made.code, 0) << made.err;
}

namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string with_names(std::string text, const fs::path& dir) {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"{net}", "--model mobilenet_v3_small --weights synth --size 32"},
      {"{photos}", "--data " + drawn_photos()},
      {"{out}", "--out {dir}/run"},
      {"{dir}", dir.string()}};
  for (const auto& [name, value] : names) {
    for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos;) text.replace(at, name.size(), value);
  }
  return text;
}

std::vector<std::string> words_of(const std::string& command) {
  std::istringstream in(command);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word == "''" ? "" : word);
  return words;
}

std::set<std::string> files_below(const fs::path& dir) {
  std::set<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (!entry.is_directory()) files.insert(entry.path().lexically_relative(dir).string());
  }
  return files;
}

TEST_P(BadInputTest, EndsWithItsSentenceAndExitCodeAndLeavesNothingBehind) {
  const TempFolder folder;
  if (GetParam().prepare != nullptr) GetParam().prepare(folder.path());
  const std::set<std::string> before = files_below(folder.path());
  const bool existed = fs::exists(folder.at("run"));
  const Outcome outcome = run_process(words_of(with_names(GetParam().command, folder.path())), GetParam().process);
  EXPECT_EQ(outcome.code, GetParam().code);
  EXPECT_THAT(outcome.err, StartsWith("thaw: "));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << "one sentence, not:\n" << outcome.err;
  for (const std::string& part : GetParam().says) EXPECT_THAT(outcome.err, HasSubstr(with_names(part, folder.path())));
  // What a program says that did not mean to: exceptions' names, types, HDF5's and the sanitizers' reports.
  for (const char* part : {"terminate", "what()", "std::", "json.exception", "HDF5-DIAG", "ERROR:", "basic_"}) {
    EXPECT_THAT(outcome.err, Not(HasSubstr(part)));
  }
  EXPECT_EQ(files_below(folder.path()), before) << "a refused request leaves no file";
  EXPECT_EQ(fs::exists(folder.at("run")), existed) << "nor an empty folder";
}

const std::vector<BadInput> options = {
    {"NoCommand", "", 2, {"`thaw` wants a command", "thaw --help"}},
    {"UnknownCommand", "trian", 2, {"unknown command 'trian'", "did you mean 'train'?"}},
    {"UnknownSubcommand", "weights inspekt x.h5", 2, {"'inspekt'", "did you mean 'inspect'?"}},
    {"UnknownOption", "train {net} {photos} {out} --epoch 3", 2, {"'--epoch'", "did you mean '--epochs'?"}},
    {"UnknownOptionBesidesMissingOnes", "train --modle resnet50", 2, {"did you mean '--model'?"}},
    {"UnknownOptionWithItsValue", "train --modle=resnet50", 2, {"unknown option '--modle'"}},
    {"ExtraArgument", "devices cpu", 2, {"no further argument", "'cpu'"}},
    {"OptionWithoutItsValue", "train {net} {photos} --out", 2, {"--out", "train --help"}},
    {"OptionGivenTwice", "train {net} {photos} {out} --epochs 2 --epochs 3", 2, {"--epochs is given 2 times"}},
    {"FlagWithAValue", "train {net} {photos} {out} --json=perhaps", 2, {"--json"}},
    {"FlagFollowedByAWord", "train {net} {photos} {out} --json yes", 2, {"'yes'"}},
    {"JsonForACommandWithoutIt", "weights synth mobilenet_v3_small --out {dir}/w.h5 --json", 2, {"'--json'"}},
    {"MissingOut", "train {net} {photos}", 2, {"--out is needed"}},
    {"MissingData", "train {net} {out}", 2, {"--data is needed"}},
    {"MissingModel", "train {photos} --weights synth {out}", 2, {"--model is needed"}},
    {"EmptyOut", "train {net} {photos} --out ''", 2, {"--out is needed"}},
    {"LetterForNumber", "train {net} {photos} {out} --batch many", 2, {"--batch"}},
    {"FractionForWholeNumber", "train {net} {photos} {out} --epochs 1.5", 2, {"--epochs"}},
    {"NumberThatIsTooLarge",
     "train {net} {photos} {out} --epochs 99999999999",
     2,
     {"--epochs", "99999999999", "a number that fits"}},
    {"HugeBatch", "train {net} {photos} {out} --batch 2147483647", 2, {"--batch wants at most 65536 photos"}},
    {"BatchZero", "train {net} {photos} {out} --batch 0", 2, {"--batch wants at least 1 photo, not 0"}},
    {"NegativeBatch", "train {net} {photos} {out} --batch -4", 2, {"--batch wants at least 1 photo, not -4"}},
    {"NegativeRate", "train {net} {photos} {out} --lr -0.1", 2, {"--lr wants a positive number, not -0.1"}},
    {"RateOfZero", "train {net} {photos} {out} --lr 0", 2, {"--lr wants a positive number, not 0"}},
    {"RateThatIsNoNumber", "train {net} {photos} {out} --lr nan", 2, {"--lr wants a positive number, not nan"}},
    {"InfiniteRate", "train {net} {photos} {out} --lr inf", 2, {"--lr wants a positive number, not inf"}},
    {"NoEpochs", "train {net} {photos} {out} --epochs 0", 2, {"--epochs wants at least 1, not 0"}},
    {"DropoutOfOne", "train {net} {photos} {out} --dropout 1", 2, {"--dropout wants a rate in [0, 1), not 1"}},
    {"DropoutThatIsNoNumber", "train {net} {photos} {out} --dropout nan", 2, {"--dropout wants a rate in [0, 1)"}},
    {"SizeOfSeven",
     "train --model mobilenet_v3_small --weights synth {photos} {out} --size 7",
     2,
     {"--size wants at least 32 pixels"}},
    {"HugeSize",
     "train --model mobilenet_v3_small --weights synth {photos} {out} --size 100000",
     2,
     {"--size wants at most 4096 pixels"}},
    {"NegativeThreads", "train {net} {photos} {out} --threads -1", 2, {"--threads"}},
    {"AMillionThreads", "train {net} {photos} {out} --threads 1000000", 2, {"--threads wants 0 (all) to 1024"}},
    {"NegativeSeed", "train {net} {photos} {out} --seed -1", 2, {"--seed", "wants 0 or more, not -1"}},
    {"NegativeCheckpointSteps", "train {net} {photos} {out} --checkpoint-steps -1", 2, {"--checkpoint-steps wants 0"}},
    {"UnknownNormMode", "train {net} {photos} {out} --bn trian", 2, {"--bn", "did you mean 'train'?"}},
    {"UnknownDtype", "train {net} {photos} {out} --dtype f23", 2, {"--dtype is one of auto, f32, bf16"}},
    {"UnknownDevice", "train {net} {photos} {out} --device tpu", 2, {"'tpu'"}},
    {"UnknownSchedule", "train {net} {photos} {out} --schedule cosin", 2, {"did you mean 'cosine'?"}},
    {"UnreadableHead", "train {net} {photos} {out} --head 512,,3", 2, {"--head wants none or widths", "'512,,3'"}},
    {"HeadWithATrailingComma", "train {net} {photos} {out} --head 512,", 2, {"--head wants none or widths"}},
    {"UnreadableCacheLimit", "train {net} {photos} {out} --cache-limit lots", 2, {"--cache-limit wants a size"}},
    {"UnreadableSplit", "train {net} {photos} {out} --split train=all", 2, {"the split 'train=all' lacks val="}},
    {"OverlappingSplit",
     "train {net} {photos} {out} --split train=train[:80%],val=train[70%:90%],test=train[90%:]",
     2,
     {"must not overlap"}},
    {"SplitWithoutValidation",
     "train {net} {photos} {out} --split train=train[:80%],val=train[80%:80%],test=train[80%:]",
     2,
     {"no photo for val"}},
    {"ImpossibleSelector", "train {net} {photos} {out} --unfreeze layer:9999", 2, {"9999"}},
    {"MisspeltSelector", "train {net} {photos} {out} --unfreeze block:3", 2, {"did you mean 'blocks"}},
    {"EmptySelector", "train {net} {photos} {out} --unfreeze ''", 2, {"none"}},
    {"SelectorThatMatchesNothing", "train {net} {photos} {out} --unfreeze glob:conv9_*", 2, {"conv9_*"}},
    {"UnknownModel", "train --model resnet51 --weights synth {photos} {out}", 2, {"resnet50"}},
    {"UnreadableTraceInput",
     "trace resnet50 --weights synth --input synth:big --csv {dir}/t.csv",
     2,
     {"synth:SIZExBATCH"}},
    {"TraceForNothing", "trace resnet50 --weights synth --input synth:32x1", 2, {"nothing to do"}},
    {"F64OnTheProcessorBackend",
     "trace mobilenet_v3_small --weights synth --input synth:32x1 --csv {dir}/t.csv --device cpu --dtype f64",
     4,
     {"does not compute in f64"}},
};

INSTANTIATE_TEST_SUITE_P(Options, BadInputTest, ::testing::ValuesIn(options), name_of_row);

}  // namespace
}  // namespace thaw::testing
