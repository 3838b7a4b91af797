#include "grid/record.h"

#include <gmock/gmock.h>

#include <fstream>

#include "kernels/error.h"
#include "report_fixture.h"

namespace thaw::grid {
namespace {

namespace fs = std::filesystem;
using testing::Cells;
using testing::GridFolder;
using ::testing::HasSubstr;
using ::testing::Not;

std::string data_error(const fs::path& folder) {
  try {
    read_grid(folder);
  } catch (const Error& error) {
    return error.kind() == ErrorKind::data ? error.what() : std::string("of another kind");
  }
  return "";
}

TEST(GridRecord, AFinishedExperimentHasItsResultAndHistory) {
  const GridFolder folder(Cells{{.model = "resnet50", .epochs = 3, .outcome = testing::Outcome{.test = 0.9}}});
  const GridRecord grid = folder.read();
  ASSERT_EQ(grid.experiments.size(), 1U);
  const ExperimentRecord& experiment = grid.experiments[0];
  EXPECT_EQ(experiment.state, State::finished);
  EXPECT_EQ(experiment.epochs_done, 3);
  EXPECT_EQ(experiment.history.size(), 3U);
  EXPECT_EQ(experiment.result.at("test_accuracy"), 0.9);
  EXPECT_EQ(experiment.cut, "conv5_block1");
  EXPECT_EQ(experiment.trainable_parameters, 1'000'000);
  EXPECT_FALSE(experiment.failure);
  EXPECT_EQ(grid.title, "A grid");
  EXPECT_EQ(grid.machine.at("cores"), 2);
}

TEST(GridRecord, StatesFollowFromTheFilesThatAreThere) {
  const GridFolder folder(Cells{{.outcome = {}}, {.outcome = {}}, {.outcome = {}}, {}});
  folder.put(2, "settings.json", "{}");
  folder.put(2, "metrics.jsonl",
             R"({"epoch":1,"train_accuracy":0.5,"val_accuracy":0.4})"
             "\n");
  folder.put(3, "settings.json", "{}");
  folder.put(3, "failure.json", R"({"reason":"the loss is NaN in step 7","kind":"failed","exit_code":1})");
  folder.put(4, "failure.json", R"({"reason":"of an earlier attempt"})");
  const GridRecord grid = folder.read();
  EXPECT_EQ(grid.experiments[0].state, State::waiting);
  EXPECT_EQ(grid.experiments[1].state, State::half_done);
  EXPECT_EQ(grid.experiments[1].epochs_done, 1);
  EXPECT_EQ(grid.experiments[2].state, State::failed);
  EXPECT_EQ(grid.experiments[2].failure->reason, "the loss is NaN in step 7");
  EXPECT_EQ(grid.experiments[2].failure->exit_code, 1);
  EXPECT_EQ(grid.experiments[3].state, State::finished);
  EXPECT_FALSE(grid.experiments[3].failure);
}

TEST(GridRecord, ADamagedResultFailsItsOwnExperimentOnly) {
  const GridFolder folder(Cells{{}, {}, {}});
  folder.put(1, "result.json", "{\"test_accuracy\": 0.");
  folder.put(2, "result.json", R"({"train_accuracy":0.9,"val_accuracy":0.9,"test_accuracy":"high"})");
  const GridRecord grid = folder.read();
  EXPECT_EQ(grid.experiments[0].state, State::failed);
  EXPECT_THAT(grid.experiments[0].failure->reason, HasSubstr("result.json is damaged"));
  EXPECT_EQ(grid.experiments[1].state, State::failed);
  EXPECT_THAT(grid.experiments[1].failure->reason, HasSubstr("'test_accuracy' must be a number, found \"high\""));
  EXPECT_TRUE(grid.experiments[1].result.is_null());
  EXPECT_EQ(grid.experiments[2].state, State::finished);
}

TEST(GridRecord, AResultThatNoTrainingGivesIsDamaged) {
  for (const char* wrong :
       {R"({"train_accuracy":0.9,"val_accuracy":0.9})",
        R"({"train_accuracy":0.9,"val_accuracy":0.9,"test_accuracy":90})",
        R"({"train_accuracy":0.9,"val_accuracy":0.9,"test_accuracy":0.9,"seconds":7})",
        R"({"train_accuracy":0.9,"val_accuracy":0.9,"test_accuracy":0.9,"drawn_photos":"no"})",
        R"({"train_accuracy":0.9,"val_accuracy":0.9,"test_accuracy":0.9,"confusion_matrix":[[1,2]]})",
        R"({"train_accuracy":0.9,"val_accuracy":0.9,"test_accuracy":0.9,"class_names":[1]})", "[]", "7", ""}) {
    const GridFolder folder(Cells{{}});
    folder.put(1, "result.json", wrong);
    EXPECT_EQ(folder.read().experiments[0].state, State::failed) << wrong;
  }
}

TEST(GridRecord, DamagedMetricsAreAComplaintAndHideNoResult) {
  const GridFolder folder(Cells{{.epochs = 2}});
  folder.put(1, "metrics.jsonl",
             R"({"epoch":1,"train_accuracy":0.5})"
             "\n{\"epoch\":");
  const ExperimentRecord experiment = folder.read().experiments[0];
  EXPECT_EQ(experiment.state, State::finished);
  EXPECT_EQ(experiment.history.size(), 1U);
  EXPECT_THAT(experiment.complaint, HasSubstr("metrics.jsonl is damaged"));
}

TEST(GridRecord, ADamagedFailureIsStillAFailure) {
  const GridFolder folder(Cells{{.outcome = {}}, {.outcome = {}}});
  folder.put(1, "failure.json", "not json");
  folder.put(2, "failure.json", "{}");
  const GridRecord grid = folder.read();
  EXPECT_EQ(grid.experiments[0].state, State::failed);
  EXPECT_THAT(grid.experiments[0].failure->reason, HasSubstr("failure.json is damaged"));
  EXPECT_EQ(grid.experiments[1].failure->reason, "failure.json gives no reason");
}

TEST(GridRecord, AFolderWithoutAGridSaysHowToStartOne) {
  const GridFolder folder(Cells{});
  fs::remove(folder.path() / "grid.json");
  EXPECT_THAT(data_error(folder.path()), HasSubstr("holds no grid; start one with `thaw grid run FILE --out"));
  EXPECT_THAT(data_error(folder.path() / "nowhere"), HasSubstr("holds no grid"));
}

TEST(GridRecord, ADamagedGridIsOneSentenceThatNamesTheFile) {
  for (const char* wrong :
       {"", "[]", "{}", "null", R"({"experiments":7})", R"({"experiments":[7]})", R"({"experiments":[{"index":-1}]})",
        R"({"experiments":[{"index":1,"epochs":2}]})",
        R"({"experiments":[{"index":1,"epochs":2,"folder":"a","name":7}]})",
        R"({"experiments":[{"index":1,"epochs":99999999999,"folder":"a"}]})",
        R"({"experiments":[{"index":1,"epochs":2,"folder":"a","published":{"test_accuracy":"x"}}]})",
        R"({"experiments":[],"overrides":[7]})", "{\"title\":\"\xff\",\"experiments\":[]}"}) {
    const GridFolder folder(Cells{});
    std::ofstream(folder.path() / "grid.json") << wrong;
    const std::string error = data_error(folder.path());
    EXPECT_THAT(error, HasSubstr("grid.json' is damaged (")) << wrong;
    EXPECT_THAT(error, Not(HasSubstr("\n"))) << wrong;
  }
}

TEST(GridRecord, AnExperimentsFolderCannotLeadOutOfTheGrid) {
  for (const char* where : {"", "/etc", "../other", "a/../../b"}) {
    const GridFolder folder(Cells{});
    std::ofstream(folder.path() / "grid.json")
        << nlohmann::json{{"experiments", {{{"index", 1}, {"epochs", 2}, {"folder", where}}}}}.dump();
    EXPECT_THAT(data_error(folder.path()), HasSubstr("'folder' must be a path below the grid's folder")) << where;
  }
}

}  // namespace
}  // namespace thaw::grid
