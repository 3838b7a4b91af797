#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>

#include "kernels/error.h"
#include "tests/kernels/simd_support.h"

namespace thaw::simd_test {
namespace {

class SimdIsa : public testing::TestWithParam<std::string> {
 protected:
  const SimdKernels& kernels_ = *simd_kernels(GetParam());
};

TEST_P(SimdIsa, RoundsToBf16WithTheBitsOfDtype) {
  std::vector<float> values;
  for (std::uint32_t high = 0; high < 65536; ++high) {
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      values.push_back(std::bit_cast<float>(high << 16 | low));
    }
  }
  std::vector<bf16> halves(values.size());
  kernels_.cast(Dtype::f32, Dtype::bf16, static_cast<std::int64_t>(values.size()), values.data(), halves.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(halves[i].bits, bf16(values[i]).bits) << std::hex << std::bit_cast<std::uint32_t>(values[i]);
  }
}

TEST_P(SimdIsa, WidensEveryBf16Exactly) {
  std::vector<bf16> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i].bits = static_cast<std::uint16_t>(i);
  std::vector<std::uint32_t> bits(halves.size());
  kernels_.cast(Dtype::bf16, Dtype::f32, 65536, halves.data(), bits.data());
  for (std::size_t i = 0; i < halves.size(); ++i) ASSERT_EQ(bits[i], i << 16);
}

TEST_P(SimdIsa, CastsBytesIntegersAndDoubles) {
  const std::vector<std::uint8_t> pixels = {0, 1, 127, 128, 255};
  const std::vector<std::int32_t> labels = {0, -1, 5, 1 << 20, -(1 << 24)};
  const std::vector<double> doubles = {0.1, -2.5, 1e300, 3.0, 1.0 / 3};
  std::vector<float> y(5);
  kernels_.cast(Dtype::u8, Dtype::f32, 5, pixels.data(), y.data());
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(y[i], static_cast<float>(pixels[i]));
  kernels_.cast(Dtype::i32, Dtype::f32, 5, labels.data(), y.data());
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(y[i], static_cast<float>(labels[i]));
  kernels_.cast(Dtype::f64, Dtype::f32, 5, doubles.data(), y.data());
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(y[i], static_cast<float>(doubles[i]));
  std::vector<double> wide(5);
  kernels_.cast(Dtype::f32, Dtype::f64, 5, y.data(), wide.data());
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(wide[i], static_cast<double>(y[i]));
}

TEST_P(SimdIsa, PreprocessesPixelsOfEitherChannelOrder) {
  for (const bool bgr : {false, true}) {
    const PreprocessProblem p{
        .n = 2, .hw = 11, .bgr = bgr, .scale = 1 / 127.5, .offset = {-1, -2, -3}, .input = Dtype::u8};
    std::vector<std::uint8_t> pixels(66);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37);
    Array y(Dtype::f32, 66);
    kernels_.preprocess(p, pixels.data(), y.data());
    EXPECT_TRUE(y.guards_intact());
    for (std::int64_t i = 0; i < 66; ++i) {
      const std::int64_t channel = i % 3;
      const auto from = static_cast<std::size_t>(i - channel + (bgr ? 2 - channel : channel));
      ASSERT_EQ(y.at(i), static_cast<double>(static_cast<float>((pixels[from] + p.offset[channel]) * p.scale))) << i;
    }
  }
}

/// Slots of odd sizes, one longer than a piece of work.
struct Slots {
  std::vector<Array> w, g, state1, state2;
  std::vector<UpdateSlot> slots;

  explicit Slots(bool velocity = true) {
    for (const std::int64_t count : {1, 5, 17, 40000, 72}) {
      const auto seed = static_cast<std::uint64_t>(count);
      w.push_back(Array::random(Dtype::f32, count, seed));
      g.push_back(Array::random(Dtype::f32, count, seed + 1));
      state1.push_back(Array::random(Dtype::f32, count, seed + 2));
      state2.push_back(Array::random(Dtype::f32, count, seed + 3, 0, 1));
    }
    for (std::size_t i = 0; i < w.size(); ++i) {
      slots.push_back(
          {w[i].data(), g[i].data(), velocity ? state1[i].data() : nullptr, state2[i].data(), w[i].count()});
    }
  }
};

/// Runs an update from the same start with 1, 2 and 3 threads and returns the last result.
template <class F>
void expect_update_same_bits(Slots& work, bool velocity, F update) {
  std::vector<Array*> outputs;
  for (std::size_t i = 0; i < work.w.size(); ++i) {
    outputs.insert(outputs.end(), {&work.w[i], &work.state1[i], &work.state2[i]});
  }
  expect_same_bits(outputs, [&] {
    Slots fresh(velocity);
    for (std::size_t i = 0; i < work.w.size(); ++i) {
      std::memcpy(work.w[i].data(), fresh.w[i].data(), 4 * static_cast<std::size_t>(work.w[i].count()));
      std::memcpy(work.state1[i].data(), fresh.state1[i].data(), 4 * static_cast<std::size_t>(work.w[i].count()));
      std::memcpy(work.state2[i].data(), fresh.state2[i].data(), 4 * static_cast<std::size_t>(work.w[i].count()));
    }
    update();
  });
}

TEST_P(SimdIsa, AdamMatchesTheFunctorInDouble) {
  const Slots start;
  Slots work;
  const AdamStep step{.lr = 1e-2, .step = 3};
  expect_update_same_bits(work, true, [&] { kernels_.adam(work.slots.data(), work.slots.size(), step); });
  const double alpha = step.lr * std::sqrt(1 - std::pow(step.beta2, 3)) / (1 - std::pow(step.beta1, 3));
  for (std::size_t slot = 0; slot < start.w.size(); ++slot) {
    for (std::int64_t i = 0; i < start.w[slot].count(); ++i) {
      double w = start.w[slot].at(i);
      double m = start.state1[slot].at(i);
      double v = start.state2[slot].at(i);
      pointwise::adam(w, m, v, start.g[slot].at(i), alpha, 1 - step.beta1, 1 - step.beta2, step.epsilon);
      ASSERT_NEAR(work.w[slot].at(i), w, 2e-7 * (1 + std::abs(w)));
      ASSERT_NEAR(work.state1[slot].at(i), m, 2e-7);
      ASSERT_NEAR(work.state2[slot].at(i), v, 2e-7);
    }
  }
}

TEST_P(SimdIsa, SgdMatchesTheFunctorWithAndWithoutMomentum) {
  for (const bool nesterov : {false, true}) {
    for (const bool velocity : {false, true}) {
      const Slots start(velocity);
      Slots work(velocity);
      const SgdStep step{.lr = 0.1, .momentum = velocity ? 0.9 : 0.0, .nesterov = nesterov};
      expect_update_same_bits(work, velocity, [&] { kernels_.sgd(work.slots.data(), work.slots.size(), step); });
      for (std::size_t slot = 0; slot < start.w.size(); ++slot) {
        for (std::int64_t i = 0; i < start.w[slot].count(); ++i) {
          double w = start.w[slot].at(i);
          double moved = velocity ? start.state1[slot].at(i) : 0;
          pointwise::sgd(w, moved, start.g[slot].at(i), step.lr, step.momentum, nesterov);
          ASSERT_NEAR(work.w[slot].at(i), w, 3e-7 * (1 + std::abs(w)));
          if (velocity) {
            ASSERT_NEAR(work.state1[slot].at(i), moved, 3e-7);
          }
        }
      }
    }
  }
}

TEST_P(SimdIsa, CrossEntropyTakesTheLossFromLogits) {
  const std::vector<float> logits = {1, 2, 3, 1000, 0, -1000, 2, 2, 2};
  const std::vector<std::int32_t> labels = {2, 1, 0};
  Array p(Dtype::f32, 9);
  Array d(Dtype::f32, 9);
  LossSums sums{.loss = 1, .correct = 10, .images = 100};
  kernels_.softmax_cross_entropy(3, 3, logits.data(), labels.data(), 0.5, p.f32(), d.f32(), &sums);
  const double first = std::log(std::exp(-2.0) + std::exp(-1.0) + 1);
  EXPECT_NEAR(sums.loss, 1 + first + 1000 + std::log(3.0), 1e-9);
  EXPECT_EQ(sums.correct, 12);  // the first of equal logits counts
  EXPECT_EQ(sums.images, 103);
  EXPECT_EQ(sums.not_finite, 0);
  EXPECT_NEAR(p.at(2), std::exp(-first), 1e-7);
  EXPECT_NEAR(d.at(2), 0.5 * (std::exp(-first) - 1), 1e-7);
  EXPECT_NEAR(d.at(7), 0.5 / 3, 1e-7);
  EXPECT_TRUE(p.guards_intact());
  EXPECT_TRUE(d.guards_intact());
}

TEST_P(SimdIsa, CrossEntropyCountsLossesThatAreNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> logits = {1, nan, 0, 1, 2, 3};
  const std::vector<std::int32_t> labels = {0, 1, 7};
  LossSums sums;
  kernels_.softmax_cross_entropy(3, 2, logits.data(), labels.data(), 1, nullptr, nullptr, &sums);
  EXPECT_EQ(sums.not_finite, 2);
  EXPECT_EQ(sums.images, 3);
}

INSTANTIATE_TEST_SUITE_P(Kernels, SimdIsa, testing::ValuesIn(instruction_sets()),
                         [](const auto& case_info) { return case_info.param; });

TEST(SimdChoice, AnUnknownInstructionSetHasNoKernels) {
  EXPECT_EQ(simd_kernels("sse9"), nullptr);
  ASSERT_NE(simd_kernels("baseline"), nullptr);
  EXPECT_STREQ(simd_kernels("baseline")->name, "baseline");
}

TEST(SimdChoice, TheEnvironmentForcesAnInstructionSet) {
  EXPECT_STREQ(choose_simd_kernels("baseline").name, "baseline");
  EXPECT_NE(choose_simd_kernels("").name, nullptr);
  try {
    static_cast<void>(choose_simd_kernels("sse9"));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("found 'sse9'"), std::string::npos) << error.what();
  }
}

TEST(SimdChoice, FlushToZeroErasesDenormals) {
#if !defined(__x86_64__) && !defined(__aarch64__)
  GTEST_SKIP() << "this processor's control register is not known to thaw";
#endif
  volatile float tiny = std::numeric_limits<float>::min();
  volatile float flushed = 1;
  std::thread([&] {  // on a thread of its own: the mode stays with the thread
    set_flush_to_zero();
    flushed = tiny / 4;
  })
      .join();
  EXPECT_EQ(flushed, 0.0F);
}

}  // namespace
}  // namespace thaw::simd_test
