#include "kernels/pointwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace thaw::tests {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr Act kActs[] = {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid};

double relu6(double x) { return std::min(std::max(x, 0.0), 6.0); }

/// The formulas as their papers write them.
double formula(Act act, double x) {
  switch (act) {
    case Act::linear: return x;
    case Act::relu: return std::max(x, 0.0);
    case Act::relu6: return relu6(x);
    case Act::hard_swish: return x * relu6(x + 3) / 6;
    case Act::hard_sigmoid: return relu6(x + 3) / 6;
  }
  return kNan;
}

double value(Act act, double x) {
  double y = 0;
  pointwise::with_activation(act, [&](auto f) { y = f.value(x); });
  return y;
}

double derivative(Act act, double x) {
  double y = 0;
  pointwise::with_activation(act, [&](auto f) { y = f.derivative(x); });
  return y;
}

}  // namespace

TEST(Activations, HaveTheValuesOfTheirFormulas) {
  for (const Act act : kActs) {
    for (double x = -10; x <= 10; x += 0.125) {
      EXPECT_NEAR(value(act, x), formula(act, x), 1e-15 * (1 + std::abs(x))) << name_of(act) << "(" << x << ")";
    }
  }
}

TEST(Activations, HaveTheSlopesOfTheirFormulas) {
  for (const Act act : kActs) {
    for (double x = -10 + 0.0625; x <= 10; x += 0.125) {  // never a kink
      const double slope = (formula(act, x + 1e-5) - formula(act, x - 1e-5)) / 2e-5;
      EXPECT_NEAR(derivative(act, x), slope, 1e-9) << name_of(act) << "'(" << x << ")";
    }
  }
}

TEST(Activations, HaveTensorFlowsSlopesAtTheirKinks) {
  EXPECT_EQ(derivative(Act::relu, 0), 0);
  EXPECT_EQ(derivative(Act::relu6, 0), 0);
  EXPECT_EQ(derivative(Act::relu6, 6), 0);
  EXPECT_EQ(derivative(Act::hard_sigmoid, -3), 0);
  EXPECT_EQ(derivative(Act::hard_sigmoid, 3), 0);
}

TEST(Activations, KeepANaNANaN) {
  for (const Act act : kActs) EXPECT_TRUE(std::isnan(value(act, kNan))) << name_of(act);
}

TEST(Activations, ComputeInFloatWhatTheyComputeInDouble) {
  for (const Act act : kActs) {
    for (float x = -8; x <= 8; x += 0.25F) {
      float y = 0;
      pointwise::with_activation(act, [&](auto f) { y = f.value(x); });
      EXPECT_NEAR(y, formula(act, static_cast<double>(x)), 1e-6) << name_of(act) << "(" << x << ")";
    }
  }
}

TEST(Optimizers, ComputeInFloatWhatTheyComputeInDouble) {
  double w = 1, m = 0.1, v = 0.2, velocity = 0.3;
  float wf = 1, mf = 0.1F, vf = 0.2F, velocity_f = 0.3F;
  pointwise::adam(w, m, v, 0.5, 1e-2, 0.1, 1e-3, 1e-7);
  pointwise::adam(wf, mf, vf, 0.5F, 1e-2F, 0.1F, 1e-3F, 1e-7F);
  pointwise::sgd(w, velocity, 0.5, 0.1, 0.9, true);
  pointwise::sgd(wf, velocity_f, 0.5F, 0.1F, 0.9F, true);
  EXPECT_NEAR(wf, w, 1e-6);
  EXPECT_NEAR(mf, m, 1e-6);
  EXPECT_NEAR(vf, v, 1e-6);
  EXPECT_NEAR(velocity_f, velocity, 1e-6);
}

TEST(RandomBits, DependOnSeedAndCounterOnly) {
  std::vector<std::uint64_t> forward(1000);
  std::vector<std::uint64_t> backward(1000);
  for (std::size_t i = 0; i < 1000; ++i) forward[i] = pointwise::random_bits(9, i);
  for (std::size_t i = 1000; i-- > 0;) backward[i] = pointwise::random_bits(9, i);
  EXPECT_EQ(forward, backward);
  EXPECT_EQ(std::set<std::uint64_t>(forward.begin(), forward.end()).size(), 1000U);
}

TEST(RandomBits, SetEveryBitHalfOfTheTimeForNeighbouringSeedsAndCounters) {
  int ones[64] = {};
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    const std::uint64_t bits = pointwise::random_bits(at % 100, at / 100);
    for (int bit = 0; bit < 64; ++bit) ones[bit] += static_cast<int>(bits >> bit & 1);
  }
  // Five standard deviations of a fair coin.
  for (const int count : ones) EXPECT_NEAR(count, kDraws / 2, 5 * std::sqrt(kDraws / 4.0));
}

TEST(RandomBits, OfTwoSeedsShareNoSequence) {
  int equal = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    for (std::uint64_t shift = 0; shift < 5; ++shift) {
      equal += pointwise::random_bits(1, i) == pointwise::random_bits(2, i + shift) ? 1 : 0;
    }
  }
  EXPECT_EQ(equal, 0);
}

TEST(Dropout, DropsTheAskedShareAndKeepsTheMean) {
  constexpr int kDraws = 100000;
  for (const float rate : {0.1F, 0.2F, 0.5F}) {
    int dropped = 0;
    double sum = 0;
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      const float factor = pointwise::dropout_factor(rate, 42, i);
      dropped += factor == 0.0F ? 1 : 0;
      sum += static_cast<double>(factor);
    }
    const double p = static_cast<double>(rate);
    const double deviation = std::sqrt(p * (1 - p) / kDraws);
    EXPECT_NEAR(static_cast<double>(dropped) / kDraws, p, 5 * deviation);
    EXPECT_NEAR(sum / kDraws, 1.0, 5 * deviation / (1 - p));
  }
}

TEST(Dropout, KeepsEverythingAtRateZero) {
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_EQ(pointwise::dropout_factor(0.0F, 3, i), 1.0F);
}

}  // namespace thaw::tests
