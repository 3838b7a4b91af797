#include <gtest/gtest.h>

#include "framework/optimizer.h"
#include "framework/schedule.h"
#include "kernels/error.h"
#include "tests/framework/support.h"

namespace thaw {
namespace {

using test::reference_context;

struct Pair {
  Context ctx = reference_context();
  ParameterStore store{ctx.backend, Dtype::f64, 1};
  Parameter& moving = store.create("moving", ParameterKind::weight, {3}, Init::ones());
  Parameter& still = store.create("still", ParameterKind::weight, {2}, Init::ones());

  void gradient(double g) {
    const std::vector<double> host(3, g);
    moving.var().gradient()->value = Tensor::from_host(ctx.backend, {3}, Dtype::f64, std::span(host));
  }
};

TEST(Adam, FollowsKerasFormula) {
  Pair p;
  const auto adam = make_adam();
  double w = 1, m = 0, v = 0;
  for (int t = 1; t <= 4; ++t) {
    const double g = 0.1 * t - 0.25;
    p.gradient(g);
    adam->step(p.store.trainable(), 1e-2);
    m += (g - m) * (1 - 0.9);
    v += (g * g - v) * (1 - 0.999);
    w -= m * (1e-2 * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t))) / (std::sqrt(v) + 1e-7);
    EXPECT_NEAR(p.moving.value().to_doubles()[1], w, 1e-14) << "step " << t;
  }
}

TEST(Sgd, FollowsKerasMomentum) {
  Pair p;
  const auto sgd = make_sgd({.momentum = 0.9});
  double w = 1, velocity = 0;
  for (int t = 1; t <= 3; ++t) {
    p.gradient(0.5);
    sgd->step(p.store.trainable(), 0.1);
    velocity = 0.9 * velocity - 0.1 * 0.5;
    w += velocity;
    EXPECT_NEAR(p.moving.value().to_doubles()[0], w, 1e-15);
  }
}

TEST(Optimizer, TouchesNoFrozenParameterAndNoneWithoutAGradient) {
  Pair p;
  p.gradient(1.0);
  p.moving.set_frozen(true);
  const auto adam = make_adam();
  adam->step({&p.moving, &p.still}, 0.1);
  EXPECT_EQ(p.moving.value().to_doubles(), std::vector<double>(3, 1.0));
  EXPECT_EQ(p.still.value().to_doubles(), std::vector<double>(2, 1.0));
  EXPECT_TRUE(adam->state().empty());
}

TEST(Optimizer, RestoredStateGoesOnWithTheSameBits) {
  Context ctx = reference_context(Dtype::f32);
  const auto run = [&ctx](int resume_at) {
    ParameterStore store(ctx.backend, Dtype::f32, 1);
    Parameter& w = store.create("w", ParameterKind::weight, {4}, Init::ones());
    auto adam = make_adam();
    for (int t = 0; t < 6; ++t) {
      if (t == resume_at) {
        std::map<std::string, std::vector<float>> saved;
        for (const auto& [name, tensor] : adam->state()) saved[name] = tensor.to_floats();
        auto fresh = make_adam();
        fresh->restore(adam->steps(), saved, store.trainable());
        adam = std::move(fresh);
      }
      const std::vector<float> g(4, 0.3F * static_cast<float>(t) - 0.7F);
      w.var().gradient()->value = Tensor::from_host(ctx.backend, {4}, Dtype::f32, std::span(g));
      adam->step(store.trainable(), 1e-2);
    }
    return w.value().to_floats();
  };
  EXPECT_EQ(run(-1), run(3));
}

TEST(Optimizer, RefusesStateOfAnotherModel) {
  Pair p;
  const auto adam = make_adam();
  EXPECT_THROW(adam->restore(3, {{"other.m", {1, 2}}}, p.store.trainable()), Error);
  EXPECT_THROW(adam->restore(3, {{"moving.m", {1, 2}}}, p.store.trainable()), Error);
  EXPECT_THROW(static_cast<void>(make_optimizer("adamw")), Error);
}

TEST(Schedule, IsAPureFunctionOfTheStep) {
  EXPECT_DOUBLE_EQ((Schedule{.base = 0.1}).at(12345), 0.1);
  const Schedule cosine{
      .kind = Schedule::Kind::cosine, .base = 1.0, .warmup_steps = 4, .total_steps = 104, .final = 0.1};
  EXPECT_DOUBLE_EQ(cosine.at(0), 0.25);
  EXPECT_DOUBLE_EQ(cosine.at(3), 1.0);
  EXPECT_DOUBLE_EQ(cosine.at(4), 1.0);
  EXPECT_NEAR(cosine.at(54), 0.55, 1e-12);
  EXPECT_NEAR(cosine.at(104), 0.1, 1e-12);
  EXPECT_NEAR(cosine.at(1000), 0.1, 1e-12);
  EXPECT_THROW(static_cast<void>(parse_schedule("linear")), Error);
}

}  // namespace
}  // namespace thaw
