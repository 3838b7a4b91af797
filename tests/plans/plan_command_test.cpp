// `thaw plan` as its user calls it.
#include <gmock/gmock.h>

#include <set>

#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;

nlohmann::json plan(std::vector<std::string> more) {
  std::vector<std::string> words = {"plan", "mobilenet_v3_small", "--gpu", "h200", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  const Outcome outcome = call(words);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return nlohmann::json::parse(outcome.out);
}

TEST(PlanCommand, TellsTheEngineOfEveryConvolutionAndTheMemory) {
  const nlohmann::json report = plan({"--unfreeze", "blocks:3"});
  EXPECT_EQ(report["gpu"], "NVIDIA H200");
  EXPECT_EQ(report["cut"], "block_8");
  EXPECT_TRUE(report["fits"]);
  EXPECT_EQ(report["without_engine"], 0);
  int own = 0, prefix = 0;
  for (const auto& conv : report["convolutions"]) {
    EXPECT_NE(conv["engine"].is_null(), !conv["own_kernel"].get<bool>()) << conv;
    own += conv["own_kernel"].get<bool>() ? 1 : 0;
    prefix += conv["part"] == "prefix" ? 1 : 0;
    // Forward, the layers of a squeeze-excite are part of its kernels; back they are cuDNN's.
    const bool of_a_squeeze_excite = conv["problem"].get<std::string>().find("h1w1_") != std::string::npos;
    if (of_a_squeeze_excite) {
      EXPECT_EQ(conv["own_kernel"], conv["direction"] == "forward") << conv;
    }
  }
  EXPECT_GT(own, 0);
  EXPECT_GT(prefix, 0);
  const nlohmann::json& memory = report["memory"];
  EXPECT_GT(memory["filter_copies"].get<std::size_t>(), 0U) << "bf16 is the standard";
  EXPECT_EQ(memory["optimizer"].get<std::size_t>(), 2 * memory["gradients"].get<std::size_t>());
  EXPECT_EQ(memory["total"].get<std::size_t>(),
            std::max(memory["prefix_peak"].get<std::size_t>(), memory["step_peak"].get<std::size_t>()) +
                memory["scratch"].get<std::size_t>());
}

TEST(PlanCommand, ListsEveryEngineOfEveryConvolutionWhereAllAreAskedFor) {
  for (const auto& conv : plan({"--unfreeze", "blocks:3"})["convolutions"]) EXPECT_TRUE(conv["engines"].empty());
  for (const auto& conv : plan({"--unfreeze", "blocks:3", "--all-plans"})["convolutions"]) {
    std::set<std::string> names;
    for (const auto& engine : conv["engines"]) {
      EXPECT_TRUE(names.insert(engine["engine"].get<std::string>()).second) << engine << " is there twice";
    }
    EXPECT_GT(names.size(), 1U) << conv["problem"];
    if (conv["own_kernel"].get<bool>()) continue;
    EXPECT_EQ(conv["engines"][0]["engine"], conv["engine"]);
  }
}

TEST(PlanCommand, TellsWhatCudnnHasForEveryNorm) {
  const nlohmann::json report = plan({"--unfreeze", "blocks:3"});
  int engines = 0, own = 0, backward = 0;
  for (const auto& norm : report["norms"]) {
    EXPECT_EQ(norm["engine"].is_null(), norm["own_kernel"].get<bool>()) << norm;
    EXPECT_EQ(norm["part"], "step") << norm;  // those of the prefix are folded
    EXPECT_GE(norm["count"].get<int>(), 1) << norm;
    (norm["own_kernel"].get<bool>() ? own : engines) += 1;
    backward += norm["direction"] == "backward" ? 1 : 0;
  }
  EXPECT_GT(engines, 0);
  EXPECT_GT(own, 0);  // hard-swish
  EXPECT_GT(backward, 0);
  const Outcome table = call({"plan", "mobilenet_v3_small", "--gpu", "h200", "--unfreeze", "blocks:3"});
  EXPECT_THAT(table.out, HasSubstr("own kernel, unless --autotune finds this faster"));
}

TEST(PlanCommand, NeedsMoreMemoryForALargerBatch) {
  const auto total = [](const char* batch) { return plan({"--batch", batch})["memory"]["total"].get<double>(); };
  EXPECT_GT(total("64"), 1.5 * total("32"));
}

TEST(PlanCommand, SaysWhereABatchDoesNotFit) {
  const Outcome outcome = call({"plan", "resnet50", "--gpu", "rtx4090", "--batch", "2048"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("does NOT fit; choose a smaller --batch"));
}

TEST(PlanCommand, FailsWhereAConvolutionHasNoEngine) {
  const Outcome outcome = call({"plan", "mobilenet_v3_small", "--gpu", "t4"});
  EXPECT_EQ(outcome.code, exit_device);
  EXPECT_THAT(outcome.err, HasSubstr("have no engine on Tesla T4; choose another --dtype or --gpu"));
}

TEST(PlanCommand, ReadsAGpuFromAFileAndRefusesWhatIsNone) {
  const TempFolder folder;
  std::ofstream(folder.at("gpu.json")) << "{}";
  const Outcome bad = call({"plan", "mobilenet_v3_small", "--gpu", folder.at("gpu.json")});
  EXPECT_EQ(bad.code, exit_data);
  EXPECT_THAT(bad.err, HasSubstr("a GPU's description wants"));
  const Outcome unknown = call({"plan", "mobilenet_v3_small", "--gpu", "h20"});
  EXPECT_EQ(unknown.code, exit_usage);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean 'h200'"));
}

}  // namespace
}  // namespace thaw::testing
