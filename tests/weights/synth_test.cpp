#include "weights/synth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/weights/fixtures.h"

namespace thaw {
namespace {

TensorSpec kernel(const std::string& name, TensorKind kind, std::vector<std::int64_t> shape) {
  return {name, kind, std::move(shape), ""};
}

void expect_first(const TensorSpec& spec, const std::vector<double>& expected) {
  const std::vector<float> keras = to_keras(spec, synthetic_tensor(spec));
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(keras[i], expected[i], 5.01e-9) << spec.name;
}

// The expected numbers below were published with golden data of real Keras; they pin the fill across implementations.
TEST(SyntheticFill, HashesNamesWithFnv1a) {
  EXPECT_EQ(fnv1a("input"), 0xf9d86f7bU);
  EXPECT_EQ(fnv1a("conv1_conv/kernel"), 0xba8db8fbU);
}

TEST(SyntheticFill, MixesTheFirstBitsAsPublished) {
  const std::uint32_t hash = fnv1a("conv1_conv/kernel");
  EXPECT_EQ(synthetic_bits(hash, 0), 1023175713U);
  EXPECT_EQ(synthetic_bits(hash, 1), 2578399403U);
  EXPECT_EQ(synthetic_bits(hash, 2), 1500660165U);
}

TEST(SyntheticFill, DrawsTheFirstPixelsAsPublished) {
  EXPECT_THAT(synthetic_input(8), ::testing::ElementsAre(28, 16, 98, 173, 51, 122, 66, 230));
}

TEST(SyntheticFill, DrawsResNetsFirstKernelInKerasOrder) {
  expect_first(kernel("conv1_conv/kernel", TensorKind::conv_kernel, {7, 7, 3, 64}),
               {-0.10577241, 0.04053959, -0.06085174});
}

TEST(SyntheticFill, DrawsMobileNetsFirstKernelInKerasOrder) {
  expect_first(kernel("conv/kernel", TensorKind::conv_kernel, {3, 3, 3, 16}), {-0.29887262, -0.42061156, 0.07010353});
}

TEST(SyntheticFill, ScalesTheHeadByItsInputsAndOutputs) {
  expect_first(kernel("head/kernel", TensorKind::dense_kernel, {960, 5}), {0.03644255, -0.01193997, 0.01448852});
}

TEST(SyntheticFill, GivesTheHeadNoBiasAndOthersOne) {
  EXPECT_THAT(synthetic_tensor(kernel("head/bias", TensorKind::vector, {5})), ::testing::Each(0.0F));
  EXPECT_NE(synthetic_tensor(kernel("conv1_conv/bias", TensorKind::vector, {5}))[0], 0.0F);
}

TEST(SyntheticFill, KeepsVariancesBetweenAHalfAndOneAndAHalf) {
  const auto values = synthetic_tensor(kernel("conv_bn/moving_variance", TensorKind::vector, {4096}));
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  EXPECT_GE(*low, 0.5F);
  EXPECT_LT(*low, 0.51F);
  EXPECT_LE(*high, 1.5F);
  EXPECT_GT(*high, 1.49F);
}

TEST(SyntheticFill, SaysWhichTensorHasNoRule) {
  const std::string message = testing::data_error([] {
    (void)synthetic_tensor({"conv/scale", TensorKind::vector, {3}, ""});
  });
  EXPECT_THAT(message, ::testing::HasSubstr("conv/scale"));
}

TEST(SyntheticFill, CoversEveryTensorOfAModelInNativeLayout) {
  const ModelSpec spec = testing::tiny_spec();
  const WeightSet set = synthetic_weights(spec);
  EXPECT_NO_THROW(require_tensors(set, spec, "synthetic"));
  EXPECT_EQ(set.tensors.size(), 8U);
}

}  // namespace
}  // namespace thaw
