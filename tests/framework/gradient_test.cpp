// Central differences in double precision for every op and for one whole block of each network.
#include <gtest/gtest.h>

#include "tests/framework/support.h"

namespace thaw {
namespace {

using test::gradient_error;
using test::leaf;
using test::reference_context;

constexpr double kTolerance = 1e-6;

TEST(Gradient, ConvolutionAgreesWithCentralDifferences) {
  const Context ctx = reference_context();
  for (const int stride : {1, 2}) {
    const auto f = [stride](Context& c, const std::vector<Var>& v) {
      return conv2d(c, v[0], v[1], v[2], {.stride = stride, .pad = {0, 1, 1, 2}});
    };
    EXPECT_LT(gradient_error(ctx, f, {leaf(ctx, {2, 5, 6, 3}, 1), leaf(ctx, {4, 3, 3, 3}, 2), leaf(ctx, {4}, 3)}),
              kTolerance);
  }
}

TEST(Gradient, GroupedConvolutionAgreesWithCentralDifferences) {
  const Context ctx = reference_context();
  const auto f = [](Context& c, const std::vector<Var>& v) {
    return conv2d(c, v[0], v[1], Var(), {.pad = pad_all(1), .groups = 2});
  };
  EXPECT_LT(gradient_error(ctx, f, {leaf(ctx, {2, 4, 4, 4}, 1), leaf(ctx, {6, 3, 3, 2}, 2)}), kTolerance);
}

TEST(Gradient, DepthwiseConvolutionAgreesWithCentralDifferences) {
  const Context ctx = reference_context();
  for (const int kernel : {3, 5}) {
    const auto f = [kernel](Context& c, const std::vector<Var>& v) {
      return conv2d(c, v[0], v[1], Var(), {.stride = 2, .pad = pad_same(7, 6, kernel, kernel, 2), .depthwise = true});
    };
    EXPECT_LT(gradient_error(ctx, f, {leaf(ctx, {2, 7, 6, 5}, 1), leaf(ctx, {kernel, kernel, 5}, 2)}), kTolerance);
  }
}

class NormGradient : public testing::TestWithParam<std::tuple<bool, bool, Act>> {};

TEST_P(NormGradient, AgreesWithCentralDifferences) {
  const auto [batch, with_residual, act] = GetParam();
  const Context ctx = reference_context();
  const auto f = [batch = batch, with_residual = with_residual, act = act](Context& c, const std::vector<Var>& v) {
    const std::vector<double> mean = test::values(3, 8);
    const std::vector<double> variance = {0.7, 1.3, 2.0};
    return batch_norm(c, v[0], v[1], v[2], Tensor::from_host(c.backend, {3}, Dtype::f64, std::span(mean)),
                      Tensor::from_host(c.backend, {3}, Dtype::f64, std::span(variance)), with_residual ? v[3] : Var(),
                      {.batch_statistics = batch, .epsilon = 1e-3, .act = act});
  };
  std::vector<Var> leaves = {leaf(ctx, {2, 3, 3, 3}, 1, 2.0), leaf(ctx, {3}, 2, 0.3, 1.0), leaf(ctx, {3}, 3)};
  if (with_residual) leaves.push_back(leaf(ctx, {2, 3, 3, 3}, 4));
  EXPECT_LT(gradient_error(ctx, f, leaves, 1e-6), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Plain, NormGradient,
                         testing::Combine(testing::Bool(), testing::Values(false),
                                          testing::Values(Act::linear, Act::relu, Act::hard_swish, Act::hard_sigmoid)));
INSTANTIATE_TEST_SUITE_P(WithResidual, NormGradient,
                         testing::Combine(testing::Bool(), testing::Values(true),
                                          testing::Values(Act::linear, Act::relu)));

TEST(Gradient, ActivationsAgreeWithCentralDifferences) {
  const Context ctx = reference_context();
  for (const Act act : {Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid}) {
    const auto f = [act](Context& c, const std::vector<Var>& v) { return activation(c, v[0], act); };
    EXPECT_LT(gradient_error(ctx, f, {leaf(ctx, {2, 3, 3, 4}, 5, 8.0)}, 1e-6), kTolerance) << name_of(act);
  }
}

TEST(Gradient, PoolingAgreesWithCentralDifferences) {
  const Context ctx = reference_context();
  for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
    const auto f = [kind](Context& c, const std::vector<Var>& v) {
      return pool2d(c, v[0], {.kind = kind, .window = 3, .stride = 2, .pad = pad_all(1)});
    };
    EXPECT_LT(gradient_error(ctx, f, {leaf(ctx, {2, 6, 5, 3}, 6)}), kTolerance);
  }
  const auto global = [](Context& c, const std::vector<Var>& v) { return global_average_pool(c, v[0]); };
  EXPECT_LT(gradient_error(ctx, global, {leaf(ctx, {2, 3, 4, 3}, 7)}), kTolerance);
}

TEST(Gradient, ElementWiseOpsAgreeWithCentralDifferences) {
  const Context ctx = reference_context();
  const auto padded = [](Context& c, const std::vector<Var>& v) { return zero_pad(c, v[0], {1, 0, 2, 1}); };
  EXPECT_LT(gradient_error(ctx, padded, {leaf(ctx, {2, 3, 2, 2}, 8)}), kTolerance);
  const auto sum = [](Context& c, const std::vector<Var>& v) { return add(c, v[0], v[1]); };
  EXPECT_LT(gradient_error(ctx, sum, {leaf(ctx, {2, 3}, 9), leaf(ctx, {2, 3}, 10)}), kTolerance);
  const auto gated = [](Context& c, const std::vector<Var>& v) { return scale_channels(c, v[0], v[1]); };
  EXPECT_LT(gradient_error(ctx, gated, {leaf(ctx, {2, 3, 3, 4}, 11), leaf(ctx, {2, 4}, 12)}), kTolerance);
  const auto reshaped = [](Context& c, const std::vector<Var>& v) { return reshape(c, v[0], {6, 2}); };
  EXPECT_LT(gradient_error(ctx, reshaped, {leaf(ctx, {3, 4}, 13)}), kTolerance);
}

TEST(Gradient, DenseAgreesWithCentralDifferences) {
  const Context ctx = reference_context();
  const auto f = [](Context& c, const std::vector<Var>& v) { return dense(c, v[0], v[1], v[2]); };
  EXPECT_LT(gradient_error(ctx, f, {leaf(ctx, {3, 5}, 1), leaf(ctx, {4, 5}, 2), leaf(ctx, {4}, 3)}), kTolerance);
}

TEST(Gradient, DropoutPassesTheGradientThroughItsOwnMask) {
  Context ctx = reference_context();
  ctx.training = true;
  ctx.seed = 4;
  const auto f = [](Context& c, const std::vector<Var>& v) { return dropout(c, v[0], 0.4); };
  EXPECT_LT(gradient_error(ctx, f, {leaf(ctx, {8, 9}, 1)}), kTolerance);
}

TEST(Gradient, SoftmaxCrossEntropyAgreesWithCentralDifferences) {
  Context ctx = reference_context();
  const Var logits = leaf(ctx, {4, 5}, 3, 3.0);
  const std::vector<std::int32_t> labels = {0, 4, 2, 2};
  const Tensor device_labels = Tensor::from_labels(ctx.backend, labels);
  const auto loss = [&](Context c) {
    const Tensor sums = make_loss_sums(c.backend);
    softmax_cross_entropy(c, logits, device_labels, sums);
    return mean_loss(read_loss_sums(sums));
  };
  Tape tape;
  Context recording = ctx;
  recording.tape = &tape;
  loss(recording);
  tape.backward();
  const std::vector<double> analytic = logits.gradient()->value.to_doubles();
  std::vector<double> host = logits.value().to_doubles();
  for (std::size_t i = 0; i < host.size(); ++i) {
    const double keep = host[i];
    const auto at = [&](double v) {
      host[i] = v;
      logits.value().assign(std::span<const double>(host));
      return loss(ctx);
    };
    const double numeric = (at(keep + 1e-5) - at(keep - 1e-5)) / 2e-5;
    at(keep);
    EXPECT_NEAR(analytic[i], numeric, 1e-8);
  }
}

TEST(Gradient, AValueUsedTwiceSumsItsGradients) {
  const Context ctx = reference_context();
  const auto f = [](Context& c, const std::vector<Var>& v) {
    const Var y = activation(c, v[0], Act::hard_swish);
    return add(c, add(c, y, v[0]), add(c, y, y));
  };
  EXPECT_LT(gradient_error(ctx, f, {leaf(ctx, {3, 4}, 2)}), kTolerance);
}

TEST(Gradient, ABottleneckAgreesWithCentralDifferences) {
  for (const bool project : {false, true}) {
    Context ctx = reference_context();
    ctx.training = true;
    ParameterStore store(ctx.backend, Dtype::f64, 1);
    const Bottleneck block(Scope(store, "b"), {4, 4, 8}, project ? 3 : 2, project ? 2 : 1, project,
                           {.epsilon = 1.001e-5});
    test::randomise(store);
    std::vector<Var> leaves = test::leaves_of(store);
    leaves.push_back(leaf(ctx, {3, 4, 4, 8}, 77));
    const auto f = [&block](Context& c, const std::vector<Var>& v) { return block(c, v.back()); };
    EXPECT_LT(gradient_error(ctx, f, leaves, 1e-6), 2e-4);
  }
}

TEST(Gradient, AnInvertedResidualAgreesWithCentralDifferences) {
  for (const int stride : {1, 2}) {
    Context ctx = reference_context();
    ctx.training = true;
    ParameterStore store(ctx.backend, Dtype::f64, 1);
    AutoNames names;
    const InvertedResidual block(
        Scope(store, "b"), {6, 6, 4},
        {.expanded = 8, .filters = 4, .kernel = 5, .stride = stride, .squeezed = 8, .act = Act::hard_swish}, {}, names);
    test::randomise(store);
    std::vector<Var> leaves = test::leaves_of(store);
    leaves.push_back(leaf(ctx, {3, 6, 6, 4}, 78));
    const auto f = [&block](Context& c, const std::vector<Var>& v) { return block(c, v.back()); };
    EXPECT_LT(gradient_error(ctx, f, leaves, 1e-6), 2e-4);
  }
}

}  // namespace
}  // namespace thaw
