// Files that are well-formed HDF5 and Keras, but not the model's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/weights/fixtures.h"
#include "weights/keras_h5.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using testing::data_error;
using ::testing::HasSubstr;
using testing::RawLayer;
using testing::TempFolder;
using testing::tiny_layers;
using testing::tiny_spec;

std::string reading(const std::vector<RawLayer>& layers, const ModelSpec& spec = tiny_spec()) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", layers);
  return data_error([&] { (void)read_keras_h5(folder / "w.h5", spec); });
}

TEST(WrongKerasFile, WithoutALayerNamesIt) {
  auto layers = tiny_layers();
  layers.pop_back();
  EXPECT_THAT(reading(layers), AllOf(HasSubstr("w.h5"), HasSubstr("3 weighted layers, mobilenet_v3_tiny has 4"),
                                     HasSubstr("missing: expanded_conv_squeeze_excite_conv")));
}

TEST(WrongKerasFile, WithALayerMoreNamesIt) {
  auto layers = tiny_layers();
  layers.push_back({"fancy", {{"fancy/kernel:0", {2, 2}}}});
  EXPECT_THAT(reading(layers), AllOf(HasSubstr("5 weighted layers"), HasSubstr("not in the model: fancy")));
}

TEST(WrongKerasFile, OfTensorFlow27IsKnownByItsConv2) {
  auto layers = tiny_layers();
  layers.push_back({"Conv_2", {{"Conv_2/kernel:0", {1, 1, 8, 16}}, {"Conv_2/bias:0", {16}}}});
  EXPECT_THAT(reading(layers), AllOf(HasSubstr("TensorFlow 2.7"), HasSubstr("_no_top_v2.h5")));
}

TEST(WrongKerasFile, WithTheClassifierSaysSo) {
  auto layers = tiny_layers();
  layers.push_back({"Conv_2", {{"Conv_2/kernel:0", {1, 1, 8, 16}}, {"Conv_2/bias:0", {16}}}});
  layers.push_back({"Logits", {{"Logits/kernel:0", {1, 1, 16, 10}}, {"Logits/bias:0", {10}}}});
  EXPECT_THAT(reading(layers), HasSubstr("ImageNet classifier"));
}

TEST(WrongKerasFile, WithTwoLayersSwappedIsRefusedThoughItsNamesFit) {
  auto layers = tiny_layers();
  std::swap(layers[4], layers[5]);
  EXPECT_THAT(reading(layers), AllOf(HasSubstr("number 3"), HasSubstr("order contradict")));
}

TEST(WrongKerasFile, WithAnotherShapeNamesTensorAndShapes) {
  auto layers = tiny_layers();
  layers[1].weights[0].shape = {3, 3, 3, 5};
  EXPECT_THAT(reading(layers), AllOf(HasSubstr("Conv/Conv/kernel:0"), HasSubstr("(3,3,3,5)"), HasSubstr("(3,3,3,4)")));
}

TEST(WrongKerasFile, WithAWeightMissingInALayerCountsThem) {
  auto layers = tiny_layers();
  layers[2].weights.pop_back();
  EXPECT_THAT(reading(layers), AllOf(HasSubstr("'Conv/BatchNorm' has 3 weights"), HasSubstr("needs 4")));
}

TEST(WrongKerasFile, WithGammaAndBetaSwappedIsRefusedThoughTheShapesFit) {
  auto layers = tiny_layers();
  std::swap(layers[2].weights[0], layers[2].weights[1]);
  EXPECT_THAT(reading(layers), AllOf(HasSubstr("beta"), HasSubstr("expected its gamma")));
}

TEST(WrongKerasFile, ThatListsALayerTwiceIsRefused) {
  const TempFolder folder;
  {
    testing::RawFile file(folder / "w.h5");
    for (const RawLayer& layer : tiny_layers()) file.layer("", layer);
    file.strings("", "layer_names", {"Conv", "Conv", "Conv/BatchNorm", "expanded_conv/depthwise"});
  }
  EXPECT_THAT(data_error([&] { (void)read_keras_h5(folder / "w.h5", tiny_spec()); }), HasSubstr("twice"));
}

ModelSpec resnet_like() {
  return {"resnet50",
          {{"conv2_block1_0_conv", "", {{"conv2_block1_0_conv/kernel", TensorKind::conv_kernel, {1, 1, 2, 4}, ""}}},
           {"conv2_block1_3_conv", "", {{"conv2_block1_3_conv/kernel", TensorKind::conv_kernel, {1, 1, 2, 4}, ""}}}}};
}

TEST(OldResNetFile, IsRefusedAlthoughItsShapesFitByOrder) {
  const std::vector<RawLayer> layers{{"res2a_branch2c", {{"res2a_branch2c/kernel:0", {1, 1, 2, 4}}}},
                                     {"res2a_branch1", {{"res2a_branch1/kernel:0", {1, 1, 2, 4}}}}};
  EXPECT_THAT(reading(layers, resnet_like()), AllOf(HasSubstr("res2a_branch2c"), HasSubstr("before 2019")));
}

TEST(OldResNetFile, OfWhichOnlyTheFirstNormIsOldIsRefusedToo) {
  const std::vector<RawLayer> layers{{"bn_conv1", {{"bn_conv1/gamma:0", {4}}}}};
  EXPECT_THAT(reading(layers, resnet_like()), HasSubstr("before 2019"));
}

TEST(NewResNetFile, WithABranchLayerInItsNameIsNoOldOne) {
  const std::vector<RawLayer> layers{{"conv2_block1_0_conv", {{"conv2_block1_0_conv/kernel:0", {1, 1, 2, 4}}}},
                                     {"conv2_block1_3_conv", {{"conv2_block1_3_conv/kernel:0", {1, 1, 2, 4}}}}};
  EXPECT_EQ(reading(layers, resnet_like()), "");
}

TEST(UnknownLayout, WithoutLayerNamesListsWhatTheFileHolds) {
  const TempFolder folder;
  { testing::RawFile(folder / "w.h5").floats("measurements/a", {3}); }
  EXPECT_THAT(data_error([&] { (void)read_keras_h5(folder / "w.h5", tiny_spec()); }),
              AllOf(HasSubstr("no Keras weight file"), HasSubstr("measurements")));
}

TEST(UnknownLayout, OfKeras3sOwnFormatIsNamed) {
  const TempFolder folder;
  { testing::RawFile(folder / "w.h5").floats("layers/conv2d/vars/0", {3}); }
  EXPECT_THAT(data_error([&] { (void)read_keras_h5(folder / "w.h5", tiny_spec()); }), HasSubstr("Keras 3"));
}

}  // namespace
}  // namespace thaw
