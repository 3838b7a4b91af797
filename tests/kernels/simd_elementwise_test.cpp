#include "tests/kernels/simd_support.h"

namespace thaw::simd_test {
namespace {

class SimdElements : public Simd {};

TEST_P(SimdElements, ElementWiseKernelsMatchTheFunctorsInPlaceToo) {
  for (const std::int64_t count : {1, 3, 17, 72, 1000, 70001}) {
    SCOPED_TRACE(count);
    const Array x = Array::random(dtype_, count, 1, -5, 8);
    Array other = Array::random(dtype_, count, 2);
    std::vector<double> expected(static_cast<std::size_t>(count));
    Array y(dtype_, count);
    for (const Act act : all_acts) {
      for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] = act_value(act, x.at(static_cast<std::int64_t>(i)));
      expect_same_bits({&y}, [&] {
        y = x;
        kernels_.act_forward(act, dtype_, count, y.data(), y.data());
      });
      expect_near(y, expected, dtype_, 1, "act forward");
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        expected[i] = other.at(at) * act_derivative(act, x.at(at));
      }
      Array from = x;
      expect_same_bits({&y}, [&] {
        y = other;
        kernels_.act_backward(act, dtype_, count, from.data(), y.data(), y.data());
      });
      expect_near(y, expected, dtype_, 1, "act backward");
    }
    Array from = x;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = x.at(static_cast<std::int64_t>(i)) + other.at(static_cast<std::int64_t>(i));
    }
    expect_same_bits({&y}, [&] { kernels_.add(dtype_, count, from.data(), other.data(), y.data()); });
    expect_near(y, expected, dtype_, 1, "add");
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = x.at(static_cast<std::int64_t>(i)) * static_cast<double>(pointwise::dropout_factor(0.3F, 7, i));
    }
    expect_same_bits({&y}, [&] { kernels_.dropout(dtype_, count, 0.3F, 7, from.data(), y.data()); });
    expect_near(y, expected, dtype_, 1, "dropout");
  }
}

TEST_P(SimdElements, ANaNGoesThroughEveryActivationThatHasASlope) {
  for (const Act act : {Act::linear, Act::relu, Act::relu6, Act::hard_swish}) {
    Array x = Array::random(dtype_, 40, 1);
    x.set(3, std::nan(""));
    x.set(35, std::nan(""));
    Array y(dtype_, 40);
    kernels_.act_forward(act, dtype_, 40, x.data(), y.data());
    EXPECT_TRUE(std::isnan(y.at(3))) << name_of(act);
    EXPECT_TRUE(std::isnan(y.at(35))) << name_of(act);
  }
}

TEST_P(SimdElements, GatesAndReductionsMatchDoubleLoops) {
  for (const auto& [rows, c] : shapes) {
    for (const int n : {1, 3}) {
      const ScaleProblem p{.n = n, .hw = static_cast<int>(rows), .c = c, .dtype = dtype_};
      SCOPED_TRACE(p.text());
      Array x = Array::random(dtype_, p.size(), 1);
      Array gate = Array::random(dtype_, n * c, 2);
      Array dy = Array::random(dtype_, p.size(), 3);
      Array y(dtype_, p.size());
      Array dx(dtype_, p.size());
      Array dgate(dtype_, n * c);
      Array sums(Dtype::f32, c);
      Scratch scratch(sum_rows_scratch_bytes(n * rows, c));
      expect_same_bits({&y, &dx, &dgate, &sums}, [&] {
        kernels_.scale_forward(p, x.data(), gate.data(), y.data());
        kernels_.scale_backward(p, x.data(), gate.data(), dy.data(), dx.data(), dgate.data());
        kernels_.sum_rows(dtype_, n * rows, c, x.data(), sums.f32(), scratch.data());
      });
      EXPECT_TRUE(scratch.guard_intact());
      std::vector<double> want_y(static_cast<std::size_t>(p.size()));
      std::vector<double> want_dx(want_y.size());
      std::vector<double> want_gate(static_cast<std::size_t>(n * c));
      std::vector<double> want_sums(static_cast<std::size_t>(c));
      for (std::int64_t at = 0; at < p.size(); ++at) {
        const std::int64_t g = at / (rows * c) * c + at % c;
        want_y[static_cast<std::size_t>(at)] = x.at(at) * gate.at(g);
        want_dx[static_cast<std::size_t>(at)] = dy.at(at) * gate.at(g);
        want_gate[static_cast<std::size_t>(g)] += dy.at(at) * x.at(at);
        want_sums[static_cast<std::size_t>(at % c)] += x.at(at);
      }
      const double size = 1 + std::sqrt(static_cast<double>(n * rows));
      expect_near(y, want_y, dtype_, 1, "y");
      expect_near(dx, want_dx, dtype_, 1, "dx");
      expect_near(dgate, want_gate, dtype_, size, "dgate");
      expect_near(sums, want_sums, Dtype::f32, size, "sums");
    }
  }
}

TEST_P(SimdElements, SumOfSquaresIsExactInDoubleAndShowsWhatIsNotFinite) {
  const std::int64_t count = 100003;
  Array x = Array::random(dtype_, count, 1);
  double expected = 0;
  for (std::int64_t i = 0; i < count; ++i) expected += x.at(i) * x.at(i);
  Scratch scratch(sum_squares_scratch_bytes(count));
  double got = 0;
  kernels_.sum_squares(dtype_, count, x.data(), &got, scratch.data());
  EXPECT_NEAR(got, expected, 1e-12 * expected);
  x.set(777, 1e30);
  kernels_.sum_squares(dtype_, count, x.data(), &got, scratch.data());
  EXPECT_NEAR(got, x.at(777) * x.at(777), 1e50);
  x.set(70001, std::nan(""));
  kernels_.sum_squares(dtype_, count, x.data(), &got, scratch.data());
  EXPECT_TRUE(std::isnan(got));
  EXPECT_TRUE(scratch.guard_intact());
}

INSTANTIATE_TEST_SUITE_P(Kernels, SimdElements,
                         testing::Combine(testing::ValuesIn(instruction_sets()),
                                          testing::Values(Dtype::f32, Dtype::bf16)),
                         name_of_case);

}  // namespace
}  // namespace thaw::simd_test
