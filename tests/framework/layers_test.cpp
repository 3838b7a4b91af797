#include <gtest/gtest.h>

#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"
#include "tests/framework/support.h"

namespace thaw {
namespace {

using test::leaf;
using test::reference_context;

/// Counts the calls that a frozen and a trainable unit make.
class CountingBackend : public ReferenceBackend {
 public:
  using ReferenceBackend::ReferenceBackend;
  int packs = 0, packed = 0, convs = 0, norms = 0;

  std::shared_ptr<const PackedConv> pack_conv(const ConvProblem& p, const void* w, const void* b) override {
    ++packs;
    return ReferenceBackend::pack_conv(p, w, b);
  }
  void conv_forward_packed(const ConvProblem& p, const PackedConv& f, const ConvForward& a) override {
    ++packed;
    ReferenceBackend::conv_forward_packed(p, f, a);
  }
  void conv_forward(const ConvProblem& p, const ConvForward& a) override {
    ++convs;
    ReferenceBackend::conv_forward(p, a);
  }
  void norm_forward(const NormProblem& p, const NormForward& a) override {
    ++norms;
    ReferenceBackend::norm_forward(p, a);
  }
};

struct Unit {
  explicit Unit(bool depthwise, Act act = Act::hard_swish)
      : counter(std::make_shared<CountingBackend>(BackendOptions{})), store(counter, Dtype::f64, 3) {
    ctx.backend = counter;
    ctx.dtype = Dtype::f64;
    unit = std::make_unique<ConvNorm>(
        Scope(store, "c"),
        ConvConfig{.input = {6, 6, 4}, .filters = 4, .kernel = 3, .bias = !depthwise, .depthwise = depthwise},
        Scope(store, "n"), NormConfig{}, act, "a", "sum");
    test::randomise(store);
  }
  void freeze(bool frozen) {
    for (Parameter& p : store.all()) p.set_frozen(frozen);
  }

  std::shared_ptr<CountingBackend> counter;
  Context ctx;
  ParameterStore store;
  std::unique_ptr<ConvNorm> unit;
};

double largest_difference(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = a.to_doubles();
  const std::vector<double> y = b.to_doubles();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
  return worst;
}

TEST(ConvNorm, FoldedAndFusedEqualsTheSeparateOps) {
  for (const bool depthwise : {false, true}) {
    Unit u(depthwise, Act::relu);
    const Var x(leaf(u.ctx, {2, 6, 6, 4}, 1).value());
    const Var residual(leaf(u.ctx, {2, 6, 6, 4}, 2).value());
    const Var fused = (*u.unit)(u.ctx, x, residual);
    EXPECT_EQ(u.counter->packed, 1);
    EXPECT_EQ(u.counter->norms, 0);
    Context observed = u.ctx;
    std::vector<std::string> seen;
    observed.observer = [&seen](std::string_view name, const Tensor&, double) { seen.emplace_back(name); };
    const Var separate = (*u.unit)(observed, x, residual);
    EXPECT_LT(largest_difference(fused.value(), separate.value()), 1e-12);
    EXPECT_EQ(seen, (std::vector<std::string>{"c", "n", "sum", "a"}));
  }
}

TEST(ConvNorm, PacksOnceUntilAParameterChanges) {
  Unit u(false);
  u.freeze(true);
  const Var x(leaf(u.ctx, {2, 6, 6, 4}, 1).value());
  const Tensor first = (*u.unit)(u.ctx, x).value();
  static_cast<void>((*u.unit)(u.ctx, x));
  EXPECT_EQ(u.counter->packs, 1);
  Parameter* gamma = u.store.find("n/gamma");
  std::vector<float> doubled = gamma->value().to_floats();
  for (float& v : doubled) v *= 2;
  gamma->assign(doubled);
  const Tensor second = (*u.unit)(u.ctx, x).value();
  EXPECT_EQ(u.counter->packs, 2);
  EXPECT_GT(largest_difference(first, second), 1e-3);
}

TEST(ConvNorm, RunsUnfusedExactlyWhereSomethingTrainsOrBatchStatisticsAreUsed) {
  Unit u(false);
  Tape tape;
  Context training = u.ctx;
  training.tape = &tape;
  training.training = true;
  const Var x(leaf(u.ctx, {2, 6, 6, 4}, 1).value());
  EXPECT_FALSE(u.unit->runs_fused(training, x, Var())) << "trainable";
  u.freeze(true);
  EXPECT_TRUE(u.unit->runs_fused(training, x, Var())) << "frozen";
  EXPECT_FALSE(u.unit->runs_fused(training, leaf(u.ctx, {2, 6, 6, 4}, 1), Var())) << "its input wants a gradient";
  u.freeze(false);
  EXPECT_TRUE(u.unit->runs_fused(u.ctx, x, Var())) << "evaluation";
}

TEST(BatchNorm, MovesItsStatisticsOnlyInTrainModeAndUnfrozen) {
  for (const NormMode mode : {NormMode::train, NormMode::inference, NormMode::frozen_affine}) {
    for (const bool frozen : {false, true}) {
      Unit u(false);
      u.unit->norm.mode = mode;
      u.freeze(frozen);
      Tape tape;
      Context training = u.ctx;
      training.tape = &tape;
      training.training = true;
      const std::vector<double> before = u.store.find("n/moving_mean")->value().to_doubles();
      static_cast<void>((*u.unit)(training, Var(leaf(u.ctx, {2, 6, 6, 4}, 1).value())));
      const bool moved = before != u.store.find("n/moving_mean")->value().to_doubles();
      EXPECT_EQ(moved, mode == NormMode::train && !frozen) << name_of(mode) << " frozen " << frozen;
    }
  }
}

TEST(BatchNorm, KeepsTheBiasedVarianceAndKerasMomentum) {
  Context ctx = reference_context();
  ctx.training = true;
  ParameterStore store(ctx.backend, Dtype::f64, 1);
  const BatchNorm norm(Scope(store, "n"), {2, 1, 1}, {.momentum = 0.9});
  const std::vector<double> host = {1, 3, 5, 7};
  const Var x(Tensor::from_host(ctx.backend, {2, 2, 1, 1}, Dtype::f64, std::span(host)));
  static_cast<void>(norm(ctx, x));
  EXPECT_NEAR(norm.moving_mean->value().to_doubles()[0], 0.9 * 0 + 0.1 * 4, 1e-15);
  EXPECT_NEAR(norm.moving_variance->value().to_doubles()[0], 0.9 * 1 + 0.1 * 5, 1e-15);  // biased: 20/4
}

TEST(Layers, NormModesAreReadByName) {
  EXPECT_EQ(parse_norm_mode("frozen-affine"), NormMode::frozen_affine);
  EXPECT_THROW(static_cast<void>(parse_norm_mode("frozen")), Error);
}

TEST(Layers, InitialValuesDependOnNameAndSeedOnly) {
  const Context ctx = reference_context();
  const auto kernel = [&ctx](std::uint64_t seed, const char* name) {
    ParameterStore store(ctx.backend, Dtype::f64, seed);
    const Dense layer(Scope(store, name), 30, 20);
    return layer.kernel->value().to_doubles();
  };
  EXPECT_EQ(kernel(1, "a"), kernel(1, "a"));
  EXPECT_NE(kernel(1, "a"), kernel(2, "a"));
  EXPECT_NE(kernel(1, "a"), kernel(1, "b"));
  const double limit = std::sqrt(6.0 / 50.0);
  double largest = 0;
  for (const double v : kernel(1, "a")) largest = std::max(largest, std::abs(v));
  EXPECT_LE(largest, limit);
  EXPECT_GT(largest, 0.95 * limit);
}

}  // namespace
}  // namespace thaw
