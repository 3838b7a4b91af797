#include "models/describe.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/models/support.h"

namespace thaw {
namespace {

Description described(const std::string& model, const std::string& selector, NormMode mode, int classes = 5,
                      const SelectorOptions& options = {}) {
  const auto network = test::reference_model(model, {.head = {.classes = classes}});
  const Selection selection = select_layers(*network, selector, options);
  apply_selection(*network, selection, mode);
  return describe(*network, selection, options);
}

TEST(Describe, GivesTheJsonThatTheIssueNames) {
  const auto json = to_json(described("resnet50", "layer:150", NormMode::train));
  EXPECT_EQ(json["model"], "resnet50");
  EXPECT_EQ(json["size"], 224);
  EXPECT_EQ(json["selector"], "layer:150");
  EXPECT_EQ(json["bn"], "train");
  EXPECT_EQ(json["base_layers"], 175);
  EXPECT_EQ(json["base_params"], 23587712);
  EXPECT_EQ(json["base_trainable_params"], 9990144);
  EXPECT_EQ(json["head_params"], 10245);
  EXPECT_EQ(json["trainable_params"], 9990144 + 10245);
  EXPECT_EQ(json["first_trainable_layer"], "conv5_block1_3_conv");
  EXPECT_EQ(json["first_trainable_index"], 150);
  EXPECT_EQ(json["cut"], "conv5_block1");
  EXPECT_EQ(json["cut_index"], 14);
  EXPECT_EQ(json["norms_on_batch_statistics"], 8);
  ASSERT_EQ(json["layers"].size(), 177U);
  const auto expected = nlohmann::json::parse(R"({"index": 150, "name": "conv5_block1_3_conv", "type": "Conv2D",
      "output_shape": [7, 7, 2048], "block": "conv5_block1", "params": 1050624, "trainable_params": 1050624,
      "frozen": false, "head": false, "flops": 102760448.0})");
  EXPECT_EQ(json["layers"][150], expected);
  EXPECT_EQ(json["layers"][149]["frozen"], true);
  EXPECT_EQ(json["layers"][176]["name"], "head");
  EXPECT_EQ(json["layers"][176]["head"], true);
}

TEST(Describe, CountsNeitherStatisticsNorFrozenAffineAsTrainable) {
  const Description train = described("mobilenet_v3_large", "layer:150", NormMode::train);
  EXPECT_EQ(train.base_trainable_params, 1858080);
  EXPECT_EQ(train.head_params, 4805);
  const LayerDescription& norm = train.layers[153];
  EXPECT_EQ(norm.type, "BatchNormalization");
  EXPECT_EQ(norm.params, 2 * norm.trainable_params);
  const Description affine = described("mobilenet_v3_large", "layer:150", NormMode::frozen_affine);
  EXPECT_EQ(affine.base_trainable_params, 1847520);
  EXPECT_EQ(affine.layers[153].trainable_params, 0);
  EXPECT_TRUE(affine.layers[153].frozen);
  EXPECT_EQ(affine.norms_on_batch_statistics, 0U);
}

TEST(Describe, MarksLayersWithoutWeightsByTheSelection) {
  const Description d = described("resnet50", "layer:80", NormMode::train);
  EXPECT_TRUE(d.layers[79].frozen);
  EXPECT_EQ(d.layers[80].name, "conv3_block4_out");
  EXPECT_FALSE(d.layers[80].frozen);
  EXPECT_EQ(d.first_trainable, 81U);
  EXPECT_EQ(d.cut, "conv4_block1");
}

TEST(Describe, LeavesRescalingOutWhereKerasDoes) {
  const Description with = described("mobilenet_v3_small", "none", NormMode::train, 0);
  const Description without = described("mobilenet_v3_small", "none", NormMode::train, 0, {.keras_rescaling = false});
  EXPECT_EQ(with.layers.size(), 157U);
  EXPECT_EQ(with.layers[1].name, "rescaling");
  EXPECT_EQ(without.layers.size(), 156U);
  EXPECT_EQ(without.layers[1].name, "conv");
  EXPECT_EQ(without.layers[1].index, 1U);
  EXPECT_EQ(without.base_params, with.base_params);
}

TEST(Describe, SaysWhereNothingTrains) {
  const Description d = described("mobilenet_v3_small", "none", NormMode::train, 0);
  const auto json = to_json(d);
  EXPECT_TRUE(json["first_trainable_layer"].is_null());
  EXPECT_TRUE(json["cut"].is_null());
  EXPECT_EQ(d.frozen_flops, d.flops);
  EXPECT_NE(to_table(d).find("nothing trains"), std::string::npos);
}

TEST(Describe, AddsUpTheKnownCostOfResNet50) {
  // 53 convolutions at 224x224 are 3.86e9 multiply-adds with the stride in the first 1x1 of a block.
  const Description d = described("resnet50", "blocks:1", NormMode::train, 0);
  EXPECT_NEAR(d.flops / 2, 3.86e9, 0.01e9);
  EXPECT_LT(d.frozen_flops, d.flops);
  EXPECT_GT(d.frozen_flops, 0.9 * d.flops);
}

TEST(Describe, PrintsOneLineALayerAndTheTotals) {
  const std::string text = to_table(described("resnet50", "blocks:1", NormMode::inference));
  std::istringstream lines(text);
  std::string line;
  std::vector<std::string> all;
  while (std::getline(lines, line)) all.push_back(line);
  EXPECT_NE(all[0].find("index  layer"), std::string::npos);
  EXPECT_NE(all[1 + 165].find("  165  conv5_block3_1_conv"), std::string::npos);
  EXPECT_TRUE(all[1 + 165].ends_with("unfrozen"));
  EXPECT_TRUE(all[1 + 164].ends_with(" frozen"));
  EXPECT_NE(text.find("23,587,712 base, 10,245 head"), std::string::npos);
  EXPECT_NE(text.find("4,465,664 base"), std::string::npos);
  EXPECT_NE(text.find("inference: running statistics everywhere"), std::string::npos);
  EXPECT_NE(text.find("first trainable  165 conv5_block3_1_conv"), std::string::npos);
}

}  // namespace
}  // namespace thaw
