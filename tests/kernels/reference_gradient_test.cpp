// The oracle's gradients: by the adjoint law exactly where an op is linear, by central differences everywhere.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/reference_ops.h"

namespace thaw::tests {

namespace {

std::vector<Values> draw_inputs(const DifferentiableOp& op, Values (*draw)(std::size_t, std::uint64_t)) {
  std::vector<Values> inputs;
  for (const std::size_t count : op.inputs) inputs.push_back(draw(count, 11 + inputs.size()));
  return inputs;
}

/// <A x, u> == <x, A' u> for each input of which the op is a linear function while the others stay fixed. Inputs in
/// `offsets` (a bias) are zero while others are judged: they make the op affine.
void expect_adjoint(const DifferentiableOp& op, std::size_t offsets = 99) {
  std::vector<Values> inputs = draw_inputs(op, integers);
  for (std::size_t judged = 0; judged < inputs.size(); ++judged) {
    std::vector<Values> at = inputs;
    if (offsets < at.size() && judged != offsets) std::fill(at[offsets].begin(), at[offsets].end(), 0.0);
    if (judged == offsets) std::fill(at[0].begin(), at[0].end(), 0.0);
    const Values y = op.forward(at);
    const Values u = integers(y.size(), 77);
    EXPECT_EQ(inner(y, u), inner(at[judged], op.backward(at, u)[judged])) << op.name << ", input " << judged;
    EXPECT_NE(inner(y, u), 0.0) << op.name << ": a law between zeros proves nothing";
  }
}

/// d<u, f>/dx by central differences, for each element of each input.
void expect_gradients(const DifferentiableOp& op, double tolerance = 2e-8) {
  constexpr double kStep = 1e-5;
  std::vector<Values> inputs = draw_inputs(op, reals);
  const Values u = reals(op.forward(inputs).size(), 78);
  const std::vector<Values> gradients = op.backward(inputs, u);
  for (std::size_t which = 0; which < inputs.size(); ++which) {
    for (std::size_t i = 0; i < inputs[which].size(); ++i) {
      const double x = inputs[which][i];
      inputs[which][i] = x + kStep;
      const double above = inner(op.forward(inputs), u);
      inputs[which][i] = x - kStep;
      const double below = inner(op.forward(inputs), u);
      inputs[which][i] = x;
      const double numeric = (above - below) / (2 * kStep);
      ASSERT_NEAR(gradients[which][i], numeric, tolerance * (1 + std::abs(numeric)))
          << op.name << ", input " << which << "[" << i << "]";
    }
  }
}

constexpr const char* kConvs[] = {"n2c3h7w7_k4r7s7u2p3",
                                  "n1c4h5w5_k3r1s1",
                                  "n2c4h5w6_k3r1s1u2",
                                  "n2c3h6w6_k5r3s3u2p0.1.0.1",
                                  "n1c4h6w5_k6r3s3g2p1",
                                  "n1c5h9w7_k3r5s3u2p1.2.0.1",
                                  "n2c3h5w5_k2r3s3p2",
                                  "n2c4h6w6_k4r3s3g4p1",
                                  "n1c3h7w8_k3r5s5g3u2p1.2.1.2",
                                  "n1c4h5w5_k8r3s3g4p1+bias",
                                  "n3c2h8w8_k2r3s3g2u2p0.1.0.1+bias"};

}  // namespace

TEST(ReferenceAdjoint, HoldsExactlyForConvolutionsInDataFilterAndBias) {
  for (const char* text : kConvs) expect_adjoint(conv_op(ConvProblem::parse(text)), 2);
}

TEST(ReferenceAdjoint, HoldsExactlyForDenseLayersInDataWeightsAndBias) {
  expect_adjoint(dense_op({.n = 3, .c = 7, .k = 5}), 2);
}

TEST(ReferenceAdjoint, HoldsExactlyForAverageWindowsOfFourPixels) {
  expect_adjoint(pool_op({.kind = PoolKind::average, .n = 2, .c = 3, .h = 6, .w = 4}));
}

TEST(ReferenceAdjoint, HoldsExactlyForMaximaWithFixedWinners) {
  const PoolProblem problem{.n = 2, .c = 3, .h = 7, .w = 6, .r = 3, .s = 3, .pad = pad_all(1)};
  expect_adjoint(fixed_max_op(problem, reals(static_cast<std::size_t>(problem.input_size()), 3)));
}

TEST(ReferenceAdjoint, HoldsExactlyForPadding) { expect_adjoint(pad_op(2, 3, 4, 5, {2, 0, 1, 3})); }

TEST(ReferenceAdjoint, HoldsExactlyForGatesInDataAndGate) { expect_adjoint(scale_op({.n = 3, .hw = 6, .c = 4})); }

TEST(ReferenceAdjoint, HoldsExactlyForColumnSums) { expect_adjoint(sum_rows_op(9, 4)); }

TEST(ReferenceAdjoint, HoldsExactlyForDropout) { expect_adjoint(dropout_op(200, 0.5F)); }

TEST(ReferenceGradient, OfConvolutionsMatchesDifferences) {
  for (const char* text : kConvs) expect_gradients(conv_op(ConvProblem::parse(text)));
}

TEST(ReferenceGradient, OfNormsMatchesDifferencesInBothModesWithEachActivation) {
  for (const bool training : {false, true}) {
    for (const Act act : {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid}) {
      expect_gradients(norm_op({.rows = 13, .c = 3, .training = training, .act = act}), 1e-7);
    }
  }
}

TEST(ReferenceGradient, OfNormsWithResidualMatchesDifferences) {
  for (const bool training : {false, true}) {
    for (const Act act : {Act::linear, Act::relu, Act::relu6}) {
      expect_gradients(norm_op({.rows = 13, .c = 3, .training = training, .residual = true, .act = act}), 1e-7);
    }
  }
}

TEST(ReferenceGradient, OfActivationsMatchesDifferencesAwayFromKinks) {
  for (const Act act : {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid}) {
    DifferentiableOp op = act_op(act, 200);
    // Four times as wide, so that both ends of every active interval are crossed.
    const auto widen = [](const std::vector<Values>& in) {
      std::vector<Values> out = in;
      for (double& value : out[0]) value *= 4;
      return out;
    };
    const DifferentiableOp wide{op.name, op.inputs,
                                [=](const std::vector<Values>& in) { return op.forward(widen(in)); },
                                [=](const std::vector<Values>& in, const Values& dy) {
                                  auto gradients = op.backward(widen(in), dy);
                                  for (double& value : gradients[0]) value *= 4;
                                  return gradients;
                                }};
    expect_gradients(wide);
  }
}

TEST(ReferenceGradient, OfPoolsMatchesDifferences) {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
    // Channels of one image, so that equal values in one window (a kink of the maximum) are rare; the seed has none.
    expect_gradients(pool_op({.kind = kind, .n = 1, .c = 2, .h = 4, .w = 4, .r = 2, .s = 2, .stride = 2}));
  }
  expect_gradients(
      pool_op({.kind = PoolKind::average, .n = 2, .c = 2, .h = 5, .w = 6, .r = 3, .s = 3, .pad = pad_all(1)}));
  expect_gradients(pool_op({.kind = PoolKind::average,
                            .n = 1,
                            .c = 2,
                            .h = 5,
                            .w = 5,
                            .r = 3,
                            .s = 3,
                            .pad = {0, 1, 0, 1},
                            .count_padding = true}));
  expect_gradients(pool_op({.kind = PoolKind::average, .n = 2, .c = 3, .h = 4, .w = 3, .r = 4, .s = 3, .stride = 1}));
}

TEST(ReferenceGradient, OfGatesMatchesDifferences) { expect_gradients(scale_op({.n = 2, .hw = 5, .c = 3})); }

TEST(ReferenceGradient, OfDenseLayersMatchesDifferences) { expect_gradients(dense_op({.n = 3, .c = 6, .k = 4})); }

TEST(ReferenceGradient, OfTheCrossEntropyMatchesDifferences) { expect_gradients(softmax_op(6, 5)); }

}  // namespace thaw::tests
