// The oracle against numbers worked out by hand.
#include "kernels/reference/reference_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/error.h"

namespace thaw::tests {

namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using Values = std::vector<double>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Values convolve(const std::string& text, const Values& x, const Values& w, const Values& bias = {}) {
  ConvProblem problem = ConvProblem::parse(text);
  Values y(static_cast<std::size_t>(problem.output_size()));
  ReferenceBackend().conv_forward(problem, {.x = x.data(), .w = w.data(), .bias = bias.data(), .y = y.data()});
  return y;
}

auto close_to(const Values& expected, double tolerance) { return testing::Pointwise(DoubleNear(tolerance), expected); }

}  // namespace

TEST(Reference, CorrelatesWithoutTurningTheFilter) {
  EXPECT_THAT(convolve("n1c1h3w3_k1r2s2:f64", {1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 10, 100, 1000}),
              ElementsAre(5421, 6532, 8754, 9865));
}

TEST(Reference, PadsBelowAndRightOnlyWhereTensorFlowDoes) {
  // One row and column of zeros at the end; with 2x2 filters of ones and stride 2 the last sums see the corner only.
  EXPECT_THAT(convolve("n1c1h3w3_k1r2s2u2p0.1.0.1:f64", {1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 1, 1, 1}),
              ElementsAre(12, 9, 15, 9));
}

TEST(Reference, ReadsFiltersAsOutputRowColumnInput) {
  // Two input and two output channels, 1x1: y[k] = sum_c w[k][c] x[c].
  EXPECT_THAT(convolve("n1c2h1w1_k2r1s1+bias:f64", {2, 3}, {1, 10, 100, 1000}, {0.5, -0.5}), ElementsAre(32.5, 3199.5));
}

TEST(Reference, GivesEachGroupItsOwnChannels) {
  EXPECT_THAT(convolve("n1c4h1w1_k2r1s1g2:f64", {1, 2, 3, 4}, {1, 10, 100, 1000}), ElementsAre(21, 4300));
}

TEST(Reference, ReadsDepthwiseFiltersAsRowColumnChannel) {
  EXPECT_THAT(convolve("n1c2h1w2_k2r1s2g2:f64", {1, 2, 3, 4}, {1, 10, 100, 1000}), ElementsAre(301, 4020));
}

TEST(Reference, AddsBiasAndResidualBeforeTheActivation) {
  const ConvProblem problem = ConvProblem::parse("n1c1h1w2_k1r1s1+bias+residual+relu:f64");
  const Values x = {1, 2};
  const Values w = {3};
  const Values bias = {-5};
  const Values residual = {1, 1};
  Values y(2);
  ReferenceBackend().conv_forward(problem, {x.data(), w.data(), bias.data(), residual.data(), y.data()});
  EXPECT_THAT(y, ElementsAre(0, 2));
}

TEST(Reference, RefusesAFilterThatWasPackedForAnotherProblem) {
  ReferenceBackend backend;
  const Values w(9, 1.0);
  const auto packed = backend.pack_conv(ConvProblem::parse("n1c1h3w3_k1r3s3:f64"), w.data(), nullptr);
  EXPECT_THROW(backend.conv_forward_packed(ConvProblem::parse("n1c1h3w3_k1r1s1:f64"), *packed, {}), Error);
}

TEST(Reference, NormalisesWithTheBiasedVarianceOfTheBatchAndMovesTheRunningOne) {
  const NormProblem problem{.rows = 4, .c = 1, .training = true, .epsilon = 0, .dtype = Dtype::f64};
  const Values x = {1, 3, 5, 7};  // mean 4, biased variance 5
  const Values gamma = {2};
  const Values beta = {10};
  Values mean(1);
  Values variance(1);
  Values running_mean = {1};
  Values running_variance = {1};
  Values y(4);
  ReferenceBackend().norm_forward(problem, {.x = x.data(),
                                            .gamma = gamma.data(),
                                            .beta = beta.data(),
                                            .mean = mean.data(),
                                            .variance = variance.data(),
                                            .running_mean = running_mean.data(),
                                            .running_variance = running_variance.data(),
                                            .momentum = 0.75,
                                            .y = y.data()});
  const double unit = 2 / std::sqrt(5.0);
  EXPECT_THAT(y, close_to({10 - 3 * unit, 10 - unit, 10 + unit, 10 + 3 * unit}, 1e-14));
  EXPECT_THAT(mean, ElementsAre(4));
  EXPECT_THAT(variance, ElementsAre(5));
  EXPECT_THAT(running_mean, ElementsAre(1.75));
  EXPECT_THAT(running_variance, ElementsAre(2));
}

TEST(Reference, TakesTheFirstOfEqualMaximaAndNeverThePadding) {
  const PoolProblem problem{
      .n = 1, .c = 1, .h = 2, .w = 2, .r = 3, .s = 3, .stride = 1, .pad = pad_all(1), .dtype = Dtype::f64};
  const Values x = {-7, -7, -9, -8};
  Values y(4);
  std::vector<std::int32_t> indices(4);
  ReferenceBackend().pool_forward(problem, x.data(), y.data(), indices.data());
  EXPECT_THAT(y, ElementsAre(-7, -7, -7, -7));
  EXPECT_THAT(indices, ElementsAre(0, 0, 0, 0));
}

TEST(Reference, LetsANaNWinAMaximum) {
  const PoolProblem problem{.n = 1, .c = 1, .h = 2, .w = 2, .dtype = Dtype::f64};
  const Values x = {1, kNan, 3, 2};
  Values y(1);
  ReferenceBackend().pool_forward(problem, x.data(), y.data(), nullptr);
  EXPECT_TRUE(std::isnan(y[0]));
}

TEST(Reference, DividesAveragesByThePixelsInsideOrByTheWholeWindow) {
  PoolProblem problem{
      .kind = PoolKind::average, .n = 1, .c = 1, .h = 2, .w = 2, .pad = {0, 1, 0, 1}, .dtype = Dtype::f64};
  problem.r = 3;
  problem.s = 3;
  problem.stride = 3;
  const Values x = {1, 2, 3, 6};
  Values y(1);
  ReferenceBackend().pool_forward(problem, x.data(), y.data(), nullptr);
  EXPECT_THAT(y, ElementsAre(3));
  problem.count_padding = true;
  ReferenceBackend().pool_forward(problem, x.data(), y.data(), nullptr);
  EXPECT_THAT(y, close_to({12.0 / 9.0}, 1e-15));
}

TEST(Reference, PreprocessesByAddingTheOffsetThenScalingWithChannelsTurned) {
  const PreprocessProblem problem{
      .n = 1, .hw = 1, .bgr = true, .scale = 2, .offset = {-1, -2, -3}, .input = Dtype::u8, .output = Dtype::f64};
  const std::vector<std::uint8_t> rgb = {10, 20, 30};
  Values y(3);
  ReferenceBackend().preprocess(problem, rgb.data(), y.data());
  EXPECT_THAT(y, ElementsAre(58, 36, 14));
}

TEST(Reference, TakesTheLossFromLogitsWithoutOverflow) {
  const Values logits = {1000, 0, 1000, 1000};
  const std::vector<std::int32_t> labels = {1, 0};
  Values probabilities(4);
  Values dlogits(4);
  LossSums sums{.loss = 1, .correct = 0, .images = 5, .not_finite = 0};
  ReferenceBackend().softmax_cross_entropy(Dtype::f64, 2, 2, logits.data(), labels.data(), 0.5, probabilities.data(),
                                           dlogits.data(), &sums);
  EXPECT_DOUBLE_EQ(sums.loss, 1 + 1000 + std::log(2.0));
  EXPECT_EQ(sums.correct, 1) << "of two equal logits the first counts";
  EXPECT_EQ(sums.images, 7);
  EXPECT_EQ(sums.not_finite, 0);
  EXPECT_THAT(probabilities, close_to({1, 0, 0.5, 0.5}, 1e-12));
  EXPECT_THAT(dlogits, close_to({0.5, -0.5, -0.25, 0.25}, 1e-12));
}

TEST(Reference, CountsLossesThatAreNotFinite) {
  const Values logits = {kNan, 0, 1, 2};
  const std::vector<std::int32_t> labels = {1, 7};  // there is no class 7
  LossSums sums;
  ReferenceBackend().softmax_cross_entropy(Dtype::f64, 2, 2, logits.data(), labels.data(), 1, nullptr, nullptr, &sums);
  EXPECT_EQ(sums.images, 2);
  EXPECT_EQ(sums.not_finite, 2);
}

TEST(Reference, StepsAdamByTheLearningRateWhereTheGradientIsConstant) {
  // With m = v = 0 the first step is lr g / (|g| + epsilon sqrt-corrected): nearly lr sign(g).
  Values w = {1, 1};
  Values m = {0, 0};
  Values v = {0, 0};
  const Values g = {4, -0.25};
  const UpdateSlot slot{w.data(), g.data(), m.data(), v.data(), 2};
  ReferenceBackend().adam(Dtype::f64, {&slot, 1}, {.lr = 0.1, .epsilon = 0, .step = 1});
  EXPECT_THAT(w, close_to({0.9, 1.1}, 1e-12));
  EXPECT_THAT(m, close_to({0.4, -0.025}, 1e-12));
  EXPECT_THAT(v, close_to({0.016, 0.0000625}, 1e-12));
}

TEST(Reference, StepsSgdWithMomentumAsKerasDoes) {
  Values w = {1};
  Values velocity = {0.5};
  const Values g = {2};
  const UpdateSlot slot{w.data(), g.data(), velocity.data(), nullptr, 1};
  ReferenceBackend().sgd(Dtype::f64, {&slot, 1}, {.lr = 0.1, .momentum = 0.5, .nesterov = true});
  EXPECT_THAT(velocity, close_to({0.05}, 1e-15));  // 0.5 0.5 - 0.1 2
  EXPECT_THAT(w, close_to({1 - 0.175}, 1e-15));    // 0.5 0.05 - 0.1 2
}

TEST(Reference, RoundsStoredResultsToTheirType) {
  const float third = 1.0F / 3.0F;
  bf16 y;
  ReferenceBackend().cast(Dtype::f32, Dtype::bf16, 1, &third, &y);
  EXPECT_EQ(static_cast<float>(y), 0.333984375F);
}

TEST(Reference, GivesTheSameBitsForAnyThreadCount) {
  const ConvProblem problem = ConvProblem::parse("n2c5h9w9_k7r3s3u2p1:f64");
  Values x(static_cast<std::size_t>(problem.input_size()));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
  Values w(static_cast<std::size_t>(problem.filter_size()));
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::cos(static_cast<double>(i));
  Values first;
  for (const int threads : {1, 2, 3}) {
    Values y(static_cast<std::size_t>(problem.output_size()));
    ReferenceBackend({.threads = threads}).conv_forward(problem, {.x = x.data(), .w = w.data(), .y = y.data()});
    if (first.empty()) first = y;
    EXPECT_EQ(std::memcmp(first.data(), y.data(), y.size() * sizeof(double)), 0) << threads << " threads";
  }
}

}  // namespace thaw::tests
