#include "weights/spec.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/weights/fixtures.h"

namespace thaw {
namespace {

using testing::data_error;

TensorSpec tensor(TensorKind kind, std::vector<std::int64_t> shape) {
  return {"layer/kernel", kind, std::move(shape), ""};
}

class ModelNames : public ::testing::TestWithParam<std::string> {};

TEST_P(ModelNames, OfEveryWeightedLayerFollowTheOfficialFile) {
  const auto csv = testing::fact("keras/" + GetParam() + "_layers.csv");
  if (!csv) GTEST_SKIP() << "no layer table below $THAW_FACTS";
  ModelSpec spec = testing::fact_spec(*csv, GetParam());
  fill_h5_names(spec);
  const auto facts = testing::fact_layers(*csv);
  ASSERT_GT(facts.size(), 80U);
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    EXPECT_EQ(layer.h5_layer, facts[i].h5_layer);
    ASSERT_EQ(layer.tensors.size(), facts[i].h5_datasets.size());
    for (std::size_t j = 0; j < layer.tensors.size(); ++j) {
      EXPECT_EQ("/" + layer.h5_layer + "/" + layer.tensors[j].h5_dataset, facts[i].h5_datasets[j]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ModelNames, ::testing::Values("resnet50", "mobilenet_v3_large", "mobilenet_v3_small"));

TEST(H5Names, OfTheMobileNetClassifierAreConv2AndLogits) {
  EXPECT_EQ(h5_layer_name("mobilenet_v3_large", "conv_2"), "Conv_2");
  EXPECT_EQ(h5_layer_name("mobilenet_v3_large", "logits"), "Logits");
}

TEST(H5Names, LeaveALayerOutsideThePatternAlone) {
  EXPECT_EQ(h5_layer_name("mobilenet_v3_large", "head"), "head");
  EXPECT_EQ(h5_layer_name("mobilenet_v3_large", "expanded_conv_x_expand"), "expanded_conv_x_expand");
}

TEST(H5Names, ThatAreGivenAreKept) {
  ModelSpec spec{"mobilenet_v3_small", {{"conv", "MyConv", {{"conv/kernel", TensorKind::vector, {1}, "w:0"}}}}};
  fill_h5_names(spec);
  EXPECT_EQ(spec.layers[0].h5_layer, "MyConv");
  EXPECT_EQ(spec.layers[0].tensors[0].h5_dataset, "w:0");
}

TEST(NativeLayout, PutsAConvolutionsOutputsFirst) {
  const TensorSpec conv = tensor(TensorKind::conv_kernel, {2, 3, 4, 5});
  EXPECT_EQ(native_shape(conv), (std::vector<std::int64_t>{5, 2, 3, 4}));
  std::vector<float> keras(2 * 3 * 4 * 5);
  std::iota(keras.begin(), keras.end(), 0.0F);
  const std::vector<float> native = to_native(conv, keras);
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t w = 0; w < 3; ++w) {
      for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t o = 0; o < 5; ++o) {
          EXPECT_EQ(native[((o * 2 + h) * 3 + w) * 4 + i], keras[((h * 3 + w) * 4 + i) * 5 + o]);
        }
      }
    }
  }
}

TEST(NativeLayout, KeepsADepthwiseKernelsElementsAndDropsItsMultiplier) {
  const TensorSpec depthwise = tensor(TensorKind::depthwise_kernel, {3, 3, 2, 1});
  EXPECT_EQ(native_shape(depthwise), (std::vector<std::int64_t>{3, 3, 2}));
  std::vector<float> keras(18);
  std::iota(keras.begin(), keras.end(), 0.0F);
  EXPECT_EQ(to_native(depthwise, keras), keras);
}

TEST(NativeLayout, TransposesADenseKernel) {
  const TensorSpec dense = tensor(TensorKind::dense_kernel, {2, 3});
  EXPECT_EQ(native_shape(dense), (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(to_native(dense, std::vector<float>{1, 2, 3, 4, 5, 6}), (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

TEST(NativeLayout, IsUndoneByToKerasForEveryKind) {
  for (const TensorSpec& spec :
       {tensor(TensorKind::conv_kernel, {3, 2, 5, 7}), tensor(TensorKind::depthwise_kernel, {3, 3, 4, 1}),
        tensor(TensorKind::dense_kernel, {4, 6}), tensor(TensorKind::vector, {9})}) {
    std::vector<float> keras(static_cast<std::size_t>(element_count(spec.keras_shape)));
    std::iota(keras.begin(), keras.end(), 1.0F);
    EXPECT_EQ(to_keras(spec, to_native(spec, keras)), keras) << shape_text(spec.keras_shape);
  }
}

TEST(NativeLayout, RefusesAShapeThatItsKindCannotHave) {
  EXPECT_NE(data_error([] { (void)native_shape(tensor(TensorKind::conv_kernel, {3, 3})); }), "");
  EXPECT_NE(data_error([] { (void)native_shape(tensor(TensorKind::depthwise_kernel, {3, 3, 4, 2})); }), "");
}

TEST(NativeLayout, RefusesAWrongElementCount) {
  EXPECT_NE(data_error([] { (void)to_native(tensor(TensorKind::vector, {3}), std::vector<float>(4)); }), "");
}

TEST(ElementCount, RefusesShapesWhoseProductOverflows) {
  const std::vector<std::int64_t> shape{std::int64_t{1} << 40, std::int64_t{1} << 40};
  EXPECT_NE(data_error([&] { (void)element_count(shape); }), "");
}

}  // namespace
}  // namespace thaw
