// `thaw bench` on small problems; no test asserts a time.
#include <gmock/gmock.h>

#include "tests/app/bad_input.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Words of a quick run: the roof is given, and little is swept between cold calls.
std::vector<std::string> quick(std::vector<std::string> words, const std::string& device = "cpu") {
  words.insert(words.begin(), "bench");
  for (const char* word :
       {"--roof", "100,10", "--flush", "1", "--time-limit", "0.01", "--seed", "4", "--threads", "2"}) {
    words.emplace_back(word);
  }
  words.insert(words.end(), {"--device", device});
  return words;
}

nlohmann::json quick_json(std::vector<std::string> words, const std::string& device = "cpu") {
  words = quick(std::move(words), device);
  words.emplace_back("--json");
  const Outcome outcome = call(words);
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  return nlohmann::json::parse(outcome.out, nullptr, false);
}

TEST(Bench, ChecksAndTimesBothGrammarsOnEveryBackendOfTheProcessor) {
  for (const char* device : {"cpu", "reference"}) {
    const nlohmann::json report = quick_json({"conv", "n2c8h6w6_k5r3s3p1:f32", "ic8ih6oc8oh6kh1n\"one\""}, device);
    ASSERT_EQ(report["rows"].size(), 6U);
    EXPECT_EQ(report["schema"], "thaw-bench-1");
    EXPECT_EQ(report["device"]["backend"], device);
    for (const nlohmann::json& row : report["rows"]) {
      EXPECT_TRUE(row["good"]) << row;
      EXPECT_TRUE(row["deterministic"]) << row;
      EXPECT_EQ(row["checked"], "all");
      EXPECT_GE(row["cold"]["samples"].get<int>(), 6);
      EXPECT_GT(row["hot"]["median_ms"].get<double>(), 0);
      EXPECT_GT(row["cold"]["roof_share"].get<double>(), 0);
    }
    EXPECT_EQ(report["rows"][3]["name"], "one");
    EXPECT_THAT(report["rows"][3]["problem"].get<std::string>(), HasSubstr("n2c8h6w6_k8r1s1:"));
  }
}

TEST(Bench, EveryFamilyHasItsCommand) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"depthwise", "n2c16h7w7_r3"},
                                             {"norm", "rows50c8+training+relu"},
                                             {"pool", "maxpool_n2c8h6w6_r2s2u2"},
                                             {"pointwise", "act_relu_count1000"},
                                             {"dense", "n4c32k8+bias"},
                                             {"adam", "1000"}}) {
    const nlohmann::json report = quick_json(words);
    ASSERT_FALSE(report["rows"].empty()) << words[0];
    for (const nlohmann::json& row : report["rows"]) EXPECT_TRUE(row["good"]) << row;
  }
}

TEST(Bench, TheTableNamesRoofsProblemsAndChecks) {
  const Outcome outcome = call(quick({"conv", "n1c8h6w6_k8r1s1:f32", "--dir", "fwd"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* part : {"100 GFLOP/s (given)", "seed 4", "n1c8h6w6_k8r1s1:f32", "exact", "of roof"}) {
    EXPECT_THAT(outcome.out, HasSubstr(part));
  }
}

TEST(Bench, ARowsReproLineMeasuresThatRowAlone) {
  const nlohmann::json report = quick_json({"norm", "rows50c8+training+relu", "--dir", "bwd"});
  ASSERT_EQ(report["rows"].size(), 1U);
  const nlohmann::json& row = report["rows"][0];
  EXPECT_EQ(row["repro"],
            "thaw bench norm '" + row["problem"].get<std::string>() + "' --dir bwd --device cpu --threads 2 --seed 4");
}

TEST(Bench, ListsANetworksProblemsWithTheirCounts) {
  const Outcome outcome = call({"bench", "all", "--net", "mobilenet_v3_small", "--size", "32", "--batch", "2",
                                "--dtype", "f32", "--device", "cpu", "--list", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json list = nlohmann::json::parse(outcome.out);
  EXPECT_GT(list["rows"].size(), 50U);
  const Outcome table = call({"bench", "depthwise", "--net", "mobilenet_v3_small", "--size", "32", "--device", "cpu",
                              "--dry-run", "--dir", "wgrad"});
  EXPECT_THAT(table.out, HasSubstr("depthwise"));
  EXPECT_THAT(table.out, Not(HasSubstr("dgrad")));
}

TEST(Bench, MeasuresWhatANetworkDoes) {
  const nlohmann::json report = quick_json({"dense", "--net", "mobilenet_v3_small", "--size", "32", "--batch", "2"});
  EXPECT_EQ(report["rows"].size(), 3U);
}

TEST(Bench, ReadsAFileOfProblemsWithComments) {
  const TempFolder folder;
  write(folder.at("problems"), "# two\nn1c8h6w6_k8r1s1:f32   # plain\n\n  ic8ih6oc8kh1n\"b\"\r\n");
  const nlohmann::json report = quick_json({"conv", "--batch-file", folder.at("problems"), "--dir", "FWD_D"});
  EXPECT_EQ(report["rows"].size(), 2U);
}

TEST(Bench, WritesItsFilesAndComparesThem) {
  const TempFolder folder;
  const auto words = quick({"conv", "n1c8h6w6_k8r1s1:f32", "--out", folder.at("a.json"), "--csv", folder.at("a.csv"),
                            "--html", folder.at("a.html")});
  ASSERT_EQ(call(words).code, 0);
  EXPECT_THAT(read_file(folder.at("a.html")), HasSubstr("<circle"));
  EXPECT_THAT(read_file(folder.at("a.csv")), HasSubstr("n1c8h6w6_k8r1s1:f32"));
  nlohmann::json slower = read_json(folder.at("a.json"));
  const auto set = [](nlohmann::json& row, double median) {
    row["cold"]["median_ms"] = row["cold"]["low_ms"] = row["cold"]["high_ms"] = median;
  };
  for (nlohmann::json& row : slower["rows"]) set(row, 1);
  write(folder.at("a.json"), slower.dump());
  EXPECT_EQ(call({"bench", "compare", folder.at("a.json"), folder.at("a.json")}).code, 0);
  set(slower["rows"][1], 2);
  set(slower["rows"][2], 0.5);
  write(folder.at("b.json"), slower.dump());
  const Outcome outcome = call({"bench", "compare", folder.at("a.json"), folder.at("b.json")});
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.out, HasSubstr("1 SAME, 1 FASTER, 1 SLOWER, 0 UNSURE"));
}

TEST(Bench, ComparesEveryWayOfAConvolutionWithTheOwnKernel) {
  const nlohmann::json report =
      quick_json({"depthwise", "n2c16h7w7_r3:f32", "--all-plans", "--dir", "fwd,wgrad", "--batch", "1"});
  ASSERT_EQ(report["rows"].size(), 4U);
  EXPECT_EQ(report["rows"][0]["plan"]["engine"], "own");
  EXPECT_TRUE(report["rows"][0]["plan"]["chosen"]);
  EXPECT_EQ(report["rows"][1]["plan"]["engine"], "oneDNN");
  EXPECT_DOUBLE_EQ(report["rows"][1]["plan"]["against_best_cold"].get<double>(), 1);
  for (const nlohmann::json& row : report["rows"]) EXPECT_TRUE(row["good"]) << row;
  ASSERT_EQ(report["own_against_best"]["rows"].size(), 2U);
  EXPECT_GT(report["own_against_best"]["hot"].get<double>(), 0);
}

TEST(Bench, PrintsPlansInATableOfTheirOwnWithTheChosenOneMarked) {
  const Outcome outcome = call(quick({"depthwise", "n2c16h7w7_r3:f32", "--all-plans", "--dir", "dgrad"}));
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  for (const char* part : {"n2c16h7w7_k16r3s3g16p1:f32 dgrad, 1 of a step", "against best", "*  own", "   oneDNN",
                           "depthwise loops", "geometric mean", "sum      1 calls"}) {
    EXPECT_THAT(outcome.out, HasSubstr(part));
  }
}

TEST(Bench, MeasuresOnePlanByItsNameAndNamesTheNearest) {
  const nlohmann::json report = quick_json({"depthwise", "n2c16h7w7_r3:f32", "--plan", "oneDNN", "--dir", "fwd"});
  ASSERT_EQ(report["rows"].size(), 1U);
  EXPECT_THAT(report["rows"][0]["repro"].get<std::string>(), HasSubstr("--plan 'oneDNN'"));
  const Outcome other = call(quick({"depthwise", "n2c16h7w7_r3:f32", "--plan", "oneDN", "--dir", "fwd"}));
  EXPECT_EQ(other.code, exit_usage);
  EXPECT_THAT(other.err, HasSubstr("has no plan 'oneDN'; did you mean 'oneDNN'?"));
}

TEST(Bench, SaysOfADeviceThatItHasOneWayOnly) {
  const Outcome outcome = call(quick({"conv", "n1c8h6w6_k8r1s1:f32", "--all-plans"}, "reference"));
  EXPECT_EQ(outcome.code, exit_device);
  EXPECT_THAT(outcome.err, HasSubstr("the device reference computes convolutions in one way only"));
}

TEST(Bench, ComparesPlansOfTheSameNameOnly) {
  const TempFolder folder;
  ASSERT_EQ(
      call(quick({"depthwise", "n2c16h7w7_r3:f32", "--all-plans", "--dir", "fwd", "--out", folder.at("a.json")})).code,
      0);
  const Outcome outcome =
      call({"bench", "compare", folder.at("a.json"), folder.at("a.json"), "--json", "--margin", "100"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json rows = nlohmann::json::parse(outcome.out)["rows"];
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["plan"], "own");
  EXPECT_EQ(rows[1]["plan"], "oneDNN");
}

TEST(Bench, AStepIsTimedByPhaseAndByKind) {
  const Outcome outcome =
      call({"bench", "step", "--net", "mobilenet_v3_small", "--size", "32", "--batch", "2", "--dtype", "f32",
            "--device", "cpu", "--time-limit", "0.1", "--roof", "100,10", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json report = nlohmann::json::parse(outcome.out);
  std::vector<std::string> phases;
  for (const nlohmann::json& phase : report["phases"]) phases.push_back(phase["phase"]);
  EXPECT_EQ(phases, (std::vector<std::string>{"forward", "loss", "backward", "optimizer", "step"}));
  EXPECT_GT(report["kinds"].size(), 10U);
  EXPECT_GT(report["images_per_second"].get<double>(), 0);
}

const std::vector<BadInput> rows = {
    {"BenchOfNothing", "bench", 2, {"`thaw bench` wants a command"}},
    {"BenchUnknownFamily", "bench convolution", 2, {"'convolution'"}},
    {"BenchWithoutProblem", "bench conv --device cpu", 2, {"nothing to measure: give problems, --batch-file or --net"}},
    {"BenchAllWithoutNet", "bench all --device cpu", 2, {"nothing to measure: give --net"}},
    {"BenchProblemAndNet", "bench conv n1c1h1w1_k1r1s1 --net resnet50 --device cpu", 2, {"do not go together"}},
    {"BenchUnreadableProblem", "bench conv n1c1h1 --device cpu", 2, {"is no convolution problem"}},
    {"BenchUnreadableBenchdnn", "bench conv ic3ih5 --device cpu", 2, {"ic and oc are needed"}},
    {"BenchNotDepthwise", "bench depthwise n1c4h5w5_k8r3s3 --device cpu", 2, {"not one filter a channel"}},
    {"BenchUnknownDirection", "bench conv n1c1h1w1_k1r1s1 --dir wgard --device cpu", 2, {"did you mean 'wgrad'?"}},
    {"BenchDirectionThatTheFamilyLacks",
     "bench norm rows5c5 --dir wgrad --device cpu",
     2,
     {"--dir is one of fwd, bwd"}},
    {"BenchDirectionThatTheProblemLacks",
     "bench pointwise add_count5 --dir bwd --device cpu",
     2,
     {"add_count5", "no such direction as --dir bwd; it has fwd"}},
    {"BenchBatchForRows", "bench norm rows5c5 --batch 3 --device cpu", 2, {"--batch does not go with"}},
    {"BenchUnknownNet", "bench conv --net resnet51 --device cpu", 2, {"resnet50"}},
    {"BenchBadSelector",
     "bench conv --net mobilenet_v3_small --unfreeze block:3 --device cpu",
     2,
     {"did you mean 'blocks"}},
    {"BenchNothingOfTheFamilyTrains",
     "bench depthwise --net mobilenet_v3_small --unfreeze none --bn inference --dir wgrad --size 32 --device cpu",
     2,
     {"has no depthwise of this direction"}},
    {"BenchBadTimeLimit", "bench adam 5 --time-limit 0 --device cpu", 2, {"--time-limit wants"}},
    {"BenchBadPrecision", "bench adam 5 --precision -1 --device cpu", 2, {"--precision wants"}},
    {"BenchBadCheckLimit", "bench adam 5 --check-limit nan --device cpu", 2, {"--check-limit wants"}},
    {"BenchBadFlush", "bench adam 5 --flush -1 --device cpu", 2, {"--flush wants"}},
    {"BenchBadSeed", "bench adam 5 --seed 5x --device cpu", 2, {"--seed wants a whole number"}},
    {"BenchBadRoof", "bench adam 5 --roof 100 --device cpu", 2, {"--roof wants GFLOP/s and GB/s"}},
    {"BenchF64OnTheProcessor", "bench adam 5 --device cpu --dtype f64", 4, {"does not compute in f64"}},
    {"BenchMissingBatchFile", "bench conv --batch-file {dir}/none --device cpu", 3, {"none"}},
    {"BenchStepWithoutNet", "bench step --device cpu", 2, {"--net is needed"}},
    {"BenchOutThatCannotBeWritten", "bench adam 5 --device cpu --out /proc/none/x.json --roof 1,1", 1, {"/proc/none"}},
    {"BenchCompareMissing", "bench compare {dir}/a.json {dir}/b.json", 3, {"a.json"}},
    {"BenchCompareNoJson",
     "bench compare {dir}/text {dir}/text",
     3,
     {"is no JSON"},
     [](const fs::path& dir) { write(dir / "text", "not json"); }},
    {"BenchCompareOtherJson",
     "bench compare {dir}/list {dir}/list",
     3,
     {"no report of `thaw bench --json`"},
     [](const fs::path& dir) { write(dir / "list", "[1,2]"); }},
    {"BenchCompareBy", "bench compare {dir}/a {dir}/a --by warm", 2, {"--by is one of cold, hot"}},
    {"BenchFileWithOptions",
     "bench conv --batch-file {dir}/p --device cpu",
     3,
     {"gives the option '--dir=FWD_D'"},
     [](const fs::path& dir) { write(dir / "p", "--dir=FWD_D\n"); }},
    {"BenchEmptyFile",
     "bench conv --batch-file {dir}/p --device cpu",
     3,
     {"has no problem in it"},
     [](const fs::path& dir) { write(dir / "p", "# nothing\n"); }},
};

INSTANTIATE_TEST_SUITE_P(Bench, BadInputTest, ::testing::ValuesIn(rows), name_of_row);

}  // namespace
}  // namespace thaw::testing
