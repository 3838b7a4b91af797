#include "app/grid_plan.h"

#include <gmock/gmock.h>

#include <thread>

#include "app/grid_basis.h"
#include "app/grid_weights.h"
#include "app/line_stream.h"
#include "tests/app/grid_files.h"

namespace thaw::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(WantedCuts, AreThoseToComeAndTheDeepestThatTheNextCanStartFrom) {
  EXPECT_THAT(wanted_cuts({2, 5}, {5, 7, 9}), ElementsAre(5));
  EXPECT_THAT(wanted_cuts({2, 5}, {7, 9}), ElementsAre(5)) << "7 starts from 5";
  EXPECT_THAT(wanted_cuts({2, 5}, {3, 5}), ElementsAre(2, 5)) << "3 starts from 2";
  EXPECT_THAT(wanted_cuts({7}, {3}), IsEmpty()) << "a shallower cut cannot start from a deeper one";
  EXPECT_THAT(wanted_cuts({2, 5}, {}), IsEmpty());
  EXPECT_THAT(wanted_cuts({}, {5}), IsEmpty());
}

PlanBasis basis_of_nothing() {
  PlanBasis basis;
  basis.photos = [](const TrainSettings&) {
    return PlanBasis::Photos{.all = 100, .train = 60, .val = 20, .test = 20, .classes = 5};
  };
  basis.dtype = [](const TrainSettings&) { return Dtype::f32; };
  basis.roof = [](const TrainSettings&) { return microscope::Ceilings{.gflops = 300, .gbs = 25}; };
  basis.decode_seconds = 1e-3;
  return basis;
}

std::vector<grid::Experiment> experiments_of(const std::string& rows) {
  return grid::parse_grid("[train]\nmodel='mobilenet_v3_small'\nweights='synth'\nsize=32\nbatch=8\n" + rows,
                          "grid.toml", known_grid_settings())
      .experiments;
}

std::map<std::string, PlannedExperiment> by_name(const GridPlan& plan) {
  std::map<std::string, PlannedExperiment> all;
  for (const PlannedExperiment& planned : plan.experiments) all[planned.experiment.name] = planned;
  return all;
}

TEST(PlanGrid, CountsTheBf16CopiesOfWhatTrainsWhereTheDeviceKeepsThem) {
  PlanBasis basis = basis_of_nothing();
  basis.dtype = [](const TrainSettings&) { return Dtype::bf16; };
  const auto memory = [&basis] {
    return plan_grid(experiments_of("[[run]]\nunfreeze='all'\n"), basis).experiments.front().memory_bytes;
  };
  const std::uint64_t without = memory();
  basis.on_cuda = [](const TrainSettings&) { return true; };
  EXPECT_GT(memory(), without + 1000000) << "two bytes for each of about a million parameters";
}

TEST(PlanGrid, SharesPrefixesOnlyWhereTheyAreTheSameFunction) {
  const auto plan = by_name(plan_grid(experiments_of("[[run]]\nunfreeze='blocks:1'\n"
                                                     "[[run]]\nunfreeze='blocks:2'\nsize=64\n"
                                                     "[[run]]\nunfreeze='blocks:3'\nweights='none'\nseed=[1,2]\n"
                                                     "[[run]]\nunfreeze='blocks:3'\nseed=3\n"
                                                     "[[run]]\nunfreeze='blocks:4'\nflip=true\n"),
                                      basis_of_nothing()));
  const auto from = [&](const char* name) { return plan.at(std::string("mobilenet_v3_small/") + name).prefix_from; };
  EXPECT_EQ(from("blocks-2"), "photos") << "another size";
  EXPECT_EQ(from("blocks-3/weights-none/seed-1"), "photos");
  EXPECT_EQ(from("blocks-3/weights-none/seed-2"), "photos") << "random weights are the seed's";
  EXPECT_EQ(from("blocks-3/weights-synth/seed-3"), "photos");
  EXPECT_EQ(from("blocks-1"), "the cache before block_8") << "the head's seed says nothing of the base";
  EXPECT_FALSE(plan.at("mobilenet_v3_small/blocks-4").cached) << "augmented photos differ every epoch";
}

TEST(PlanGrid, WorkThatGrowsTakesLonger) {
  const auto plan = by_name(plan_grid(experiments_of("unfreeze=['none','blocks:3','all']\n"), basis_of_nothing()));
  const auto of = [&](const char* name) { return plan.at(std::string("mobilenet_v3_small/") + name); };
  EXPECT_LT(of("frozen").cost.step_seconds, of("blocks-3").cost.step_seconds);
  EXPECT_LT(of("blocks-3").cost.step_seconds, of("all").cost.step_seconds);
  EXPECT_EQ(of("all").cost.prefix_from(0), 0);
  EXPECT_GT(of("frozen").cost.prefix_from(0), of("frozen").cost.prefix_from(5));
  EXPECT_EQ(of("blocks-3").cache_bytes, of("blocks-3").cost.row_bytes * 100);
}

TEST(PlanGrid, TakesAsLongAsTheNetworksThatTrainMostWereMeasuredToTake) {
  const auto experiments = experiments_of("unfreeze=['none','blocks:3','layer:100']\n");
  PlanBasis basis = basis_of_nothing();
  std::vector<std::string> measured;
  const auto planned = [&](const CeilingShares& shares) {
    basis.shares = [&](const TrainSettings& settings, const TrainingCost&) {
      measured.push_back(settings.unfreeze);
      return shares;
    };
    return by_name(plan_grid(experiments, basis));
  };
  const auto full = planned({.step = 1, .forward = 1});
  EXPECT_THAT(measured, ElementsAre("layer:100")) << "once for all of them";
  const auto slow_steps = planned({.step = 0.5, .forward = 1});
  const auto slow_forward = planned({.step = 1, .forward = 0.5});
  for (const auto& [name, one] : full) {
    const double steps = one.cost.step_seconds * 8 * 10;  // 60 photos in batches of 8, 10 epochs
    EXPECT_NEAR(slow_steps.at(name).seconds - one.seconds, steps, 1e-9) << name;
    EXPECT_GT(slow_forward.at(name).seconds, one.seconds) << name;
  }
}

TEST(GridBasis, MeasuresANetworkOnceAndKnowsItAgain) {
  const TempFolder folder;
  const PlannedExperiment one = plan_grid(experiments_of("unfreeze='blocks:1'\n"), basis_of_nothing()).experiments[0];
  SharedInputs shared(0, {});
  GridBasis first({.data = drawn_photos(), .out = folder.at("grid")}, shared);
  const CeilingShares shares = first.get(one.settings).shares(one.settings, one.cost);
  for (const double share : {shares.step, shares.forward}) {
    EXPECT_GT(share, 0.001);
    EXPECT_LT(share, 5);
  }
  const nlohmann::json machine = first.machine(one.settings);
  ASSERT_EQ(machine.at("paces").size(), 1U) << machine;
  fs::create_directories(folder.at("grid"));
  write_text(folder.at("grid/grid.json"), nlohmann::json{{"machine", machine}}.dump());
  GridBasis again({.data = drawn_photos(), .out = folder.at("grid")}, shared);
  const CeilingShares known = again.get(one.settings).shares(one.settings, one.cost);
  EXPECT_EQ(known.step, shares.step);
  EXPECT_EQ(known.forward, shares.forward);
  EXPECT_EQ(again.machine(one.settings).at("paces"), machine.at("paces"));
  GridBasis elsewhere({.data = drawn_photos(), .out = "", .roof = "1000,100"}, shared);
  EXPECT_EQ(elsewhere.get(one.settings).shares(one.settings, one.cost).step, kUsualShare);
}

TEST(FindWeights, TakesTheOfficialFileElseTheOnlyOneOfTheModel) {
  const TempFolder folder;
  const auto find = [&](const std::string& text, const std::string& model) {
    return find_weights(text, model, {folder.path() / "none", folder.path()});
  };
  EXPECT_EQ(find("synth", "resnet50"), "synth");
  EXPECT_EQ(find("none", "resnet50"), "none");
  const auto refusal = [&](const std::string& text) {
    try {
      find(text, "resnet50");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      return std::string(error.what());
    }
    return std::string("found");
  };
  EXPECT_THAT(refusal(""), HasSubstr("`thaw fetch weights resnet50` downloads the official one"));
  EXPECT_THAT(refusal("mine.h5"), HasSubstr("there is no weights file 'mine.h5' in '"));
  write_text(folder.at("resnet50_mine.h5"), "x");
  EXPECT_EQ(find("", "resnet50"), folder.at("resnet50_mine.h5"));
  EXPECT_EQ(find("resnet50_mine.h5", "resnet50"), folder.at("resnet50_mine.h5"));
  write_text(folder.at("resnet50_yours.h5"), "x");
  EXPECT_THAT(refusal(""), HasSubstr("has 2 weights files of resnet50 (resnet50_mine.h5, resnet50_yours.h5, ...)"));
  write_text(folder.at("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"), "x");
  EXPECT_EQ(find("", "resnet50"), folder.at("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"));
}

TEST(LineStream, KeepsTheLinesOfSeveralThreadsWhole) {
  std::ostringstream target;
  std::mutex mutex;
  {
    std::vector<std::jthread> threads;
    for (const char letter : {'a', 'b', 'c'}) {
      threads.emplace_back([&, letter] {
        LineStream out(target, mutex);
        for (int i = 0; i < 50; ++i) {
          for (int k = 0; k < 20; ++k) out << letter << std::flush;
          out << std::endl;
        }
        out << letter;  // without an end, and handed on all the same
      });
    }
  }
  std::istringstream lines(target.str());
  int whole = 0;
  for (std::string line; std::getline(lines, line);) {
    whole += line == std::string(20, line[0]) ? 1 : 0;
  }
  EXPECT_GE(whole, 147) << "but for those that follow a line without an end";
  EXPECT_EQ(target.str().size(), 3U * (50 * 21 + 1));
}

}  // namespace
}  // namespace thaw::testing
