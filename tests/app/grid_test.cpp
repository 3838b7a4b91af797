#include <gmock/gmock.h>

#include "tests/app/grid_files.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A folder with a grid's file, and one undisturbed run of it for all tests.
class Grid : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared = std::make_unique<TempFolder>();
    write_text(shared->at("grid.toml"), small_grid_text());
    first = call(small_grid(shared->at("grid.toml"), shared->at("whole")));
  }
  static void TearDownTestSuite() { shared.reset(); }
  void SetUp() override {
    ASSERT_EQ(first.code, 0) << first.err;
    ::setenv("THAW_CACHE", folder.at("cache").c_str(), 1);
  }
  void TearDown() override { ::unsetenv("THAW_CACHE"); }

  static std::string file() { return shared->at("grid.toml"); }
  static std::string whole() { return shared->at("whole"); }

  inline static std::unique_ptr<TempFolder> shared;
  inline static Outcome first;
  TempFolder folder;
};

TEST_F(Grid, RunsEveryExperimentInAFolderOfItsOwnAndDropsCheckpoints) {
  const auto states = states_of(whole());
  ASSERT_EQ(states.size(), 7U);
  for (const auto& [name, row] : states) {
    EXPECT_EQ(row.at("state"), "finished") << name;
    const std::string run = whole() + "/" + row.at("folder").get<std::string>();
    EXPECT_EQ(names_in(run),
              (std::set<std::string>{"settings.json", "metrics.jsonl", "best.h5", "last.h5", "result.json"}));
  }
  EXPECT_TRUE(states.contains("mobilenet_v3_small/frozen"));
  EXPECT_TRUE(states.contains("mobilenet_v3_small/blocks-2/seed-2"));
  EXPECT_THAT(first.out, HasSubstr("7 of 7 finished"));
  EXPECT_THAT(first.out, HasSubstr("blocks-3  epoch  1/2"));
}

TEST_F(Grid, AnExperimentIsTheSameBitsAsThawTrainAlone) {
  const Outcome alone = call(small_training(
      folder.at("alone"), {"--epochs", "2", "--dropout", "0.3", "--bn", "inference", "--unfreeze", "blocks:1"}));
  ASSERT_EQ(alone.code, 0) << alone.err;
  const auto states = states_of(whole());
  const std::string run = whole() + "/" + states.at("mobilenet_v3_small/blocks-1").at("folder").get<std::string>();
  EXPECT_TRUE(read_file(run + "/last.h5") == read_file(folder.at("alone/last.h5")));
  EXPECT_EQ(timeless_metrics(run), timeless_metrics(folder.at("alone")));
}

TEST_F(Grid, GivesTheSameBitsWithoutTheCacheFromFilesAndSeveralAtATime) {
  const std::vector<std::vector<std::string>> ways = {
      {"--no-cache"}, {"--cache-limit", "0"}, {"--jobs", "3"}, {"--threads", "1", "--jobs", "2", "--cache-limit", "0"}};
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const std::string out = folder.at("way" + std::to_string(i));
    const Outcome outcome = call(small_grid(file(), out, ways[i]));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    expect_same_grid(whole(), out);
  }
  EXPECT_TRUE(!fs::exists(folder.at("cache/prefix")) || fs::is_empty(folder.at("cache/prefix")))
      << "no file of a prefix outlives the grid";
}

TEST_F(Grid, SkipsWhatIsFinishedAndMakesADamagedResultAgain) {
  fs::copy(whole(), folder.at("copy"), fs::copy_options::recursive);
  const std::string run = states_of(whole()).at("mobilenet_v3_small/blocks-1").at("folder");
  Outcome again = call(small_grid(file(), folder.at("copy")));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("7 finished before, 0 to run"));
  EXPECT_THAT(again.out, Not(HasSubstr("epoch")));
  write_text(folder.at("copy/" + run + "/result.json"), "{ torn");
  again = call(small_grid(file(), folder.at("copy")));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("6 finished before, 1 to run"));
  expect_same_grid(whole(), folder.at("copy"));
}

TEST_F(Grid, RunsOnlyWhatMatches) {
  const Outcome outcome = call(small_grid(file(), folder.at("out"), {"--match", "blocks-[13]$"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  int finished = 0, waiting = 0;
  for (const auto& [name, row] : states_of(folder.at("out"))) {
    finished += row.at("state") == "finished" ? 1 : 0;
    waiting += row.at("state") == "waiting" ? 1 : 0;
  }
  EXPECT_EQ(finished, 2);
  EXPECT_EQ(waiting, 5);
}

TEST_F(Grid, OtherSettingsAreOtherFoldersAndLeaveTheOldOnesAlone) {
  fs::copy(whole(), folder.at("copy"), fs::copy_options::recursive);
  const Outcome outcome = call(small_grid(file(), folder.at("copy"), {"--match", "frozen", "--set", "train.lr=1e-3"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(states_of(folder.at("copy")).at("mobilenet_v3_small/frozen").at("state"), "finished");
  int frozen = 0;
  for (const auto& entry : fs::directory_iterator(folder.at("copy/mobilenet_v3_small"))) {
    frozen += entry.path().filename().string().starts_with("frozen-") ? 1 : 0;
  }
  EXPECT_EQ(frozen, 2);
}

TEST_F(Grid, NotesAFailureWithItsReasonGoesOnAndTriesItAgain) {
  const std::string text = small_grid_text("[[run]]\nunfreeze = \"blocks:4\"\nweights = \"other.h5\"\n");
  const std::string grid = write_text(folder.at("grid.toml"), text), out = folder.at("out");
  fs::create_directory(folder.at("weights"));
  const std::vector<std::string> more = {"--weights-dir", folder.at("weights"), "--match", "blocks-[14]"};
  Outcome outcome = call(small_grid(grid, out, more));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("mobilenet_v3_small/blocks-4  failed: there is no weights file 'other.h5' in '"));
  auto states = states_of(out);
  EXPECT_EQ(states.at("mobilenet_v3_small/blocks-1").at("state"), "finished");
  EXPECT_EQ(states.at("mobilenet_v3_small/blocks-4").at("state"), "failed");
  EXPECT_THAT(states.at("mobilenet_v3_small/blocks-4").at("reason"), HasSubstr("no weights file 'other.h5'"));

  ASSERT_EQ(call({"weights", "synth", "mobilenet_v3_small", "--out", folder.at("weights/other.h5")}).code, 0);
  outcome = call(small_grid(grid, out, more));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(states_of(out).at("mobilenet_v3_small/blocks-4").at("state"), "finished");
}

TEST_F(Grid, ALossThatIsNoNumberStopsNoOtherExperiment) {
  const std::string text = small_grid_text("[[run]]\nunfreeze = \"blocks:4\"\nlr = 1e30\n");
  const Outcome outcome =
      call(small_grid(write_text(folder.at("grid.toml"), text), folder.at("out"), {"--match", "blocks-[34]"}));
  EXPECT_EQ(outcome.code, 1);
  const auto states = states_of(folder.at("out"));
  EXPECT_THAT(states.at("mobilenet_v3_small/blocks-4").at("reason"), HasSubstr("NaN or infinite"));
  EXPECT_EQ(states.at("mobilenet_v3_small/blocks-3").at("state"), "finished");
}

TEST_F(Grid, TheSmokeGridRunsAndItsReportHasTablesAndFigures) {
  const Outcome outcome = call(
      small_grid((fs::path(THAW_SOURCE) / "experiments/smoke.toml").string(), folder.at("out"), {"--device", "cpu"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string html = read_file(folder.at("out/report.html"));
  EXPECT_THAT(html, HasSubstr("<svg"));
  EXPECT_THAT(html, HasSubstr("these figures say nothing about real photos"));
  const Outcome report = call({"grid", "report", folder.at("out"), "--json"});
  ASSERT_EQ(report.code, 0) << report.err;
  EXPECT_EQ(nlohmann::json::parse(report.out), read_json(folder.at("out/report.json")));
  EXPECT_THAT(read_file(folder.at("out/report.csv")), HasSubstr("blocks"));
  EXPECT_THAT(read_file(folder.at("out/report.md")), HasSubstr("| "));
}

TEST_F(Grid, StopsAtTheFirstFailureWhereThatIsAsked) {
  const Outcome stopped =
      call(small_grid(file(), folder.at("out"), {"--fail-fast", "--set", "train.weights=other.h5"}));
  EXPECT_EQ(stopped.code, 1);
  int failed = 0;
  for (const auto& [name, row] : states_of(folder.at("out"))) failed += row.at("state") == "failed" ? 1 : 0;
  EXPECT_EQ(failed, 1);
}

TEST_F(Grid, ADryRunTellsCutsSharingAndSizesAndWritesNothing) {
  const Outcome outcome = call(small_grid(file(), folder.at("out"), {"--dry-run", "--json", "--roof", "300,25"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_FALSE(fs::exists(folder.at("out")));
  const nlohmann::json plan = nlohmann::json::parse(outcome.out);
  std::map<std::string, nlohmann::json> rows;
  std::vector<std::string> order;
  for (const nlohmann::json& row : plan.at("experiments")) {
    rows[row.at("name")] = row;
    order.push_back(row.at("name"));
  }
  EXPECT_EQ(order, (std::vector<std::string>{"mobilenet_v3_small/all", "mobilenet_v3_small/layer-120",
                                             "mobilenet_v3_small/blocks-3", "mobilenet_v3_small/blocks-2/seed-1",
                                             "mobilenet_v3_small/blocks-2/seed-2", "mobilenet_v3_small/blocks-1",
                                             "mobilenet_v3_small/frozen"}))
      << "shallow cuts first, so that deeper ones start from them";
  EXPECT_EQ(rows.at("mobilenet_v3_small/all").at("cached"), false);
  EXPECT_EQ(rows.at("mobilenet_v3_small/layer-120").at("prefix_from"), "photos");
  EXPECT_EQ(rows.at("mobilenet_v3_small/blocks-3").at("prefix_from"), "the same cache");
  EXPECT_EQ(rows.at("mobilenet_v3_small/blocks-1").at("prefix_from"), "the cache before block_9");
  EXPECT_EQ(rows.at("mobilenet_v3_small/blocks-1").at("cut"), "block_10");
  EXPECT_EQ(rows.at("mobilenet_v3_small/frozen").at("trainable_parameters"), 2885);
  EXPECT_EQ(rows.at("mobilenet_v3_small/blocks-1").at("predicted").at("cache_bytes"), 40 * 96 * 4)
      << "40 photos, at block_10 one pixel of 96 channels";
  EXPECT_GT(plan.at("seconds").get<double>(), 0);
}

TEST_F(Grid, ListsExperimentsForProgramsAndPeople) {
  const Outcome json = call({"grid", "list", file(), "--json", "--match", "blocks-1"});
  ASSERT_EQ(json.code, 0) << json.err;
  const nlohmann::json list = nlohmann::json::parse(json.out);
  ASSERT_EQ(list.at("experiments").size(), 1U);
  const nlohmann::json& row = list.at("experiments").at(0);
  EXPECT_EQ(row.at("name"), "mobilenet_v3_small/blocks-1");
  EXPECT_EQ(row.at("unfreeze"), "blocks:1");
  EXPECT_EQ(row.at("epochs"), 2);
  EXPECT_EQ(row.at("published").at("test_accuracy"), 91.5);
  EXPECT_EQ(row.at("id").get<std::string>().substr(0, 8),
            states_of(whole()).at("mobilenet_v3_small/blocks-1").at("folder").get<std::string>().substr(28));
  EXPECT_THAT(call({"grid", "list", file()}).out, HasSubstr("mobilenet_v3_small/blocks-2/seed-2"));
}

TEST_F(Grid, EveryGridOfTheProjectCanBeRead) {
  int grids = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(THAW_SOURCE) / "experiments")) {
    const Outcome outcome = call({"grid", "list", entry.path().string(), "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    ++grids;
  }
  EXPECT_EQ(grids, 5);
  const nlohmann::json paper = nlohmann::json::parse(
      call({"grid", "list", (fs::path(THAW_SOURCE) / "experiments/paper.toml").string(), "--json"}).out);
  EXPECT_EQ(paper.at("experiments").size(), 30U);
}

struct Refused {
  const char* name;
  std::vector<std::string> words;  // behind `grid`; FILE, OUT and DATA stand for what there is
  int code;
  const char* says;
};

class GridRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(GridRefuses, InOneSentence) {
  const TempFolder folder;
  write_text(folder.at("grid.toml"), small_grid_text());
  std::vector<std::string> words = {"grid"};
  for (std::string word : GetParam().words) {
    if (word == "FILE") word = folder.at("grid.toml");
    if (word == "OUT") word = folder.at("out");
    if (word == "DATA") word = drawn_photos();
    words.push_back(word);
  }
  const Outcome outcome = call(words);
  EXPECT_EQ(outcome.code, GetParam().code) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(GetParam().says));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_FALSE(fs::exists(folder.at("out"))) << "nothing is left behind";
}

INSTANTIATE_TEST_SUITE_P(
    All, GridRefuses,
    ::testing::Values(
        Refused{"NoFile", {"list", "none.toml"}, 3, "cannot read 'none.toml': there is no such file"},
        Refused{"NoData", {"run", "FILE", "--out", "OUT"}, 2, "--data is needed"},
        Refused{"NoOut", {"run", "FILE", "--data", "DATA"}, 2, "--out is needed"},
        Refused{"NoPhotos", {"run", "FILE", "--data", "/none", "--out", "OUT"}, 3, "'/none'"},
        Refused{"NoMatch", {"list", "FILE", "--match", "vgg"}, 2, "--match 'vgg' fits none of the 7 experiments"},
        Refused{"BadMatch", {"list", "FILE", "--match", "("}, 2, "--match '(' is no regular expression"},
        Refused{"BadSetting",
                {"run", "FILE", "--data", "DATA", "--out", "OUT", "--set", "train.lr=-1"},
                2,
                "experiment 1 (mobilenet_v3_small/blocks-1): --lr wants a positive number, not -1"},
        Refused{"BadSeed", {"list", "FILE", "--set", "train.seed=-1"}, 2, "has an impossible number"},
        Refused{"SameExperiments",
                {"run", "FILE", "--data", "DATA", "--out", "OUT", "--set", "train.unfreeze=[\"layer:900\",\"all\"]",
                 "--set", "train.seed=1", "--set", "train.bn=train", "--set", "train.flip=false", "--set",
                 "train.schedule=constant"},
                2,
                "are the same"},
        Refused{"BadJobs", {"run", "FILE", "--data", "DATA", "--out", "OUT", "--jobs", "0"}, 2, "--jobs wants 1 to 64"},
        Refused{
            "BadLimit", {"run", "FILE", "--data", "DATA", "--out", "OUT", "--cache-limit", "much"}, 2, "--cache-limit"},
        Refused{"BothWays",
                {"run", "FILE", "--data", "DATA", "--out", "OUT", "--fail-fast", "--keep-going"},
                2,
                "do not go together"},
        Refused{"RoofInARun",
                {"run", "FILE", "--data", "DATA", "--out", "OUT", "--roof", "1,1"},
                2,
                "goes with --dry-run only"},
        Refused{"NoWeightsFolder",
                {"run", "FILE", "--data", "DATA", "--out", "OUT", "--weights-dir", "/none"},
                3,
                "--weights-dir '/none' is no folder"},
        Refused{"StatusOfNothing", {"status", "OUT"}, 3, "holds no grid"},
        Refused{"ReportOfNothing", {"report", "OUT"}, 3, "holds no grid"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(GridSelector, ThatIsImpossibleIsRefusedBeforeAnythingRuns) {
  const TempFolder folder;
  write_text(folder.at("grid.toml"), small_grid_text("[[run]]\nunfreeze = \"layer:900\"\n"));
  const Outcome outcome = call(small_grid(folder.at("grid.toml"), folder.at("out")));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err,
              HasSubstr("experiment 8 (mobilenet_v3_small/layer-900): [unfreeze] 'layer:900' selects nothing"));
  EXPECT_FALSE(fs::exists(folder.at("out")));
}

}  // namespace
}  // namespace thaw::testing
