#include "tests/kernels/product_support.h"

namespace thaw::simd_test {
namespace {

class SimdWindows : public Simd {};

ConvProblem depthwise(int n, int c, int h, int w, int kernel, int stride, Pad pad, Dtype dtype) {
  return {.n = n,
          .c = c,
          .h = h,
          .w = w,
          .k = c,
          .r = kernel,
          .s = kernel,
          .stride = stride,
          .pad = pad,
          .groups = c,
          .dtype = dtype};
}

/// Filters 3x3 and 5x5 at strides 1 and 2 with every kind of padding, others for the general loops; channel tails.
std::vector<ConvProblem> depthwise_problems(Dtype dtype) {
  std::vector<ConvProblem> problems;
  for (const int kernel : {1, 2, 3, 5, 7}) {
    for (const int stride : {1, 2, 3}) {
      for (const Pad& pad : {Pad{}, pad_all(kernel / 2), Pad{0, 1, 0, 1}, Pad{2, 0, 3, 1}}) {
        problems.push_back(depthwise(2, 17, 9, 11, kernel, stride, pad, dtype));
      }
    }
  }
  for (const int c : {1, 3, 5, 24, 72, 130}) problems.push_back(depthwise(1, c, 7, 6, 3, 1, pad_all(1), dtype));
  for (const int c : {1, 3, 5, 24, 72, 130}) problems.push_back(depthwise(3, c, 8, 5, 5, 2, pad_all(2), dtype));
  // Pairs of vectors of every width, whole and with a last one that overlaps; whole tiles of columns and parts of them.
  for (const int c : {8, 9, 16, 31, 32, 48, 64}) {
    for (const int stride : {1, 2}) {
      problems.push_back(depthwise(2, c, 5, 16, 3, stride, pad_all(1), dtype));
      problems.push_back(depthwise(1, c, 6, 21, 5, stride, pad_same(6, 21, 5, 5, stride), dtype));
    }
  }
  problems.push_back(depthwise(2, 3, 3, 2, 5, 1, pad_all(2), dtype));     // a window wider than the image
  problems.push_back(depthwise(2, 40, 30, 30, 3, 1, pad_all(1), dtype));  // several chunks
  problems.push_back(depthwise(1, 600, 6, 6, 7, 1, pad_all(3), dtype));   // several lines in a row
  ConvProblem oblong = depthwise(2, 19, 6, 8, 3, 1, {1, 1, 2, 2}, dtype);
  oblong.s = 5;
  problems.push_back(oblong);
  return problems;
}

TEST_P(SimdWindows, DepthwiseForwardMatchesDoubleLoops) {
  for (ConvProblem p : depthwise_problems(dtype_)) {
    Array x = Array::random(dtype_, p.input_size(), 1);
    Array w = Array::random(Dtype::f32, p.filter_size(), 2);
    Array bias = Array::random(Dtype::f32, p.c, 3);
    Array residual = Array::random(dtype_, p.output_size(), 4);
    for (const int mode : {0, 1, 2, 3}) {
      p.bias = (mode & 1) != 0;
      p.residual = (mode & 2) != 0;
      p.act = p.bias ? Act::hard_swish : Act::linear;
      SCOPED_TRACE(p.text());
      Array y(dtype_, p.output_size());
      expect_same_bits({&y}, [&] {
        kernels_.depthwise_forward(p, {x.data(), w.data(), bias.data(), residual.data(), y.data()});
      });
      std::vector<double> expected(static_cast<std::size_t>(p.output_size()));
      for_taps(p, [&](std::int64_t out, std::int64_t in, int tap) {
        for (int i = 0; i < p.c; ++i) {
          expected[static_cast<std::size_t>(out * p.c + i)] += x.at(in * p.c + i) * w.at(std::int64_t{tap} * p.c + i);
        }
      });
      for (std::int64_t i = 0; i < p.output_size(); ++i) {
        double& value = expected[static_cast<std::size_t>(i)];
        if (p.bias) value += bias.at(i % p.c);
        if (p.residual) value += residual.at(i);
        value = act_value(p.act, value);
      }
      expect_near(y, expected, dtype_, 3, "y");
    }
  }
}

TEST_P(SimdWindows, DepthwiseGradientsMatchDoubleLoops) {
  for (const ConvProblem& p : depthwise_problems(dtype_)) {
    SCOPED_TRACE(p.text());
    Array x = Array::random(dtype_, p.input_size(), 1);
    Array w = Array::random(Dtype::f32, p.filter_size(), 2);
    Array dy = Array::random(dtype_, p.output_size(), 3);
    Array dx(dtype_, p.input_size());
    Array dw(Dtype::f32, p.filter_size());
    Array dbias(Dtype::f32, p.c);
    Scratch scratch(depthwise_filter_scratch_bytes(p));
    expect_same_bits({&dx, &dw, &dbias}, [&] {
      kernels_.depthwise_backward_data(p, w.f32(), dy.data(), dx.data());
      kernels_.depthwise_backward_filter(p, x.data(), dy.data(), dw.f32(), dbias.f32(), scratch.data());
    });
    EXPECT_TRUE(scratch.guard_intact());
    std::vector<double> want_dx(static_cast<std::size_t>(p.input_size()));
    std::vector<double> want_dw(static_cast<std::size_t>(p.filter_size()));
    std::vector<double> want_dbias(static_cast<std::size_t>(p.c));
    for_taps(p, [&](std::int64_t out, std::int64_t in, int tap) {
      for (int i = 0; i < p.c; ++i) {
        const std::int64_t at = std::int64_t{tap} * p.c + i;
        want_dx[static_cast<std::size_t>(in * p.c + i)] += dy.at(out * p.c + i) * w.at(at);
        want_dw[static_cast<std::size_t>(at)] += dy.at(out * p.c + i) * x.at(in * p.c + i);
      }
    });
    for (std::int64_t i = 0; i < p.output_size(); ++i) want_dbias[static_cast<std::size_t>(i % p.c)] += dy.at(i);
    expect_near(dx, want_dx, dtype_, 3, "dx");
    expect_near(dw, want_dw, Dtype::f32, 20, "dw");
    expect_near(dbias, want_dbias, Dtype::f32, 20, "dbias");
  }
}

TEST_P(SimdWindows, DepthwiseSumsOfSmallIntegersAreExact) {
  // Integers below 2^8 are exact in bf16, their sums in f32: any wrong, missing or doubled product shows.
  for (const int stride : {1, 2}) {
    const ConvProblem p = depthwise(2, 40, 28, 28, 5, stride, pad_same(28, 28, 5, 5, stride), dtype_);
    Array x(dtype_, p.input_size());
    Array dy(dtype_, p.output_size());
    for (std::int64_t i = 0; i < x.count(); ++i) x.set(i, static_cast<double>(i * 7 % 11) - 5);
    for (std::int64_t i = 0; i < dy.count(); ++i) dy.set(i, static_cast<double>(i * 5 % 9) - 4);
    Array dw(Dtype::f32, p.filter_size());
    Scratch scratch(depthwise_filter_scratch_bytes(p));
    kernels_.depthwise_backward_filter(p, x.data(), dy.data(), dw.f32(), nullptr, scratch.data());
    std::vector<double> expected(static_cast<std::size_t>(p.filter_size()));
    for_taps(p, [&](std::int64_t out, std::int64_t in, int tap) {
      for (int i = 0; i < p.c; ++i) {
        expected[static_cast<std::size_t>(tap * p.c + i)] += x.at(in * p.c + i) * dy.at(out * p.c + i);
      }
    });
    for (std::int64_t i = 0; i < dw.count(); ++i) ASSERT_EQ(dw.at(i), expected[static_cast<std::size_t>(i)]) << i;
  }
}

std::vector<PoolProblem> pool_problems(PoolKind kind, Dtype dtype) {
  std::vector<PoolProblem> problems;
  for (const int c : {1, 3, 17, 72, 130}) {
    for (const bool count_padding : {false, true}) {
      problems.push_back({kind, 2, c, 7, 9, 3, 3, 2, pad_all(1), count_padding, dtype});
      problems.push_back({kind, 2, c, 7, 6, 2, 3, 1, {0, 1, 1, 1}, count_padding, dtype});
    }
    problems.push_back({kind, 2, c, 6, 6, 2, 2, 3, {}, false, dtype});
    problems.push_back({kind, 3, c, 30, 7, 30, 7, 1, {}, false, dtype});
  }
  return problems;
}

TEST_P(SimdWindows, PoolingAndItsGradientMatchDoubleLoops) {
  for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
    for (const PoolProblem& p : pool_problems(kind, dtype_)) {
      SCOPED_TRACE(p.text());
      Array x = Array::random(dtype_, p.input_size(), 1);
      for (std::int64_t i = 0; i < x.count(); ++i) x.set(i, std::round(4 * x.at(i)));  // equal values in a window
      Array dy = Array::random(dtype_, p.output_size(), 2);
      Array y(dtype_, p.output_size());
      Array dx(dtype_, p.input_size());
      std::vector<std::int32_t> indices(static_cast<std::size_t>(p.output_size()), -7);
      expect_same_bits({&y, &dx}, [&] {
        kernels_.pool_forward(p, x.data(), y.data(), indices.data());
        kernels_.pool_backward(p, dy.data(), indices.data(), dx.data());
      });
      std::vector<double> want_y(static_cast<std::size_t>(p.output_size()));
      std::vector<double> want_dx(static_cast<std::size_t>(p.input_size()));
      for (std::int64_t out = 0; out < p.output_size(); ++out) {
        const std::int64_t pixel = out / p.c;
        const int top = static_cast<int>(pixel / p.q() % p.p()) * p.stride - p.pad.top;
        const int left = static_cast<int>(pixel % p.q()) * p.stride - p.pad.left;
        const std::int64_t image = pixel / p.q() / p.p() * p.h * p.w;
        std::vector<std::int64_t> inside;
        for (int h = std::max(top, 0); h < std::min(top + p.r, p.h); ++h) {
          for (int w = std::max(left, 0); w < std::min(left + p.s, p.w); ++w) inside.push_back(h * p.w + w);
        }
        const auto in = [&](std::int64_t at) { return (image + at) * p.c + out % p.c; };
        if (kind == PoolKind::max) {
          const auto best = *std::max_element(
              inside.begin(), inside.end(), [&](std::int64_t a, std::int64_t b) { return x.at(in(a)) < x.at(in(b)); });
          ASSERT_EQ(indices[static_cast<std::size_t>(out)], best);
          want_y[static_cast<std::size_t>(out)] = x.at(in(best));
          want_dx[static_cast<std::size_t>(in(best))] += dy.at(out);
          continue;
        }
        const auto pixels = static_cast<double>(p.count_padding ? p.r * p.s : static_cast<int>(inside.size()));
        for (const std::int64_t at : inside) {
          want_y[static_cast<std::size_t>(out)] += x.at(in(at)) / pixels;
          want_dx[static_cast<std::size_t>(in(at))] += dy.at(out) / pixels;
        }
      }
      expect_near(y, want_y, dtype_, 1, "y");
      expect_near(dx, want_dx, dtype_, 1, "dx");
    }
  }
}

TEST_P(SimdWindows, TheMaximumIsTheSameWithoutPositionsAndANumberThatIsNoneWins) {
  for (const PoolProblem& p : pool_problems(PoolKind::max, dtype_)) {
    SCOPED_TRACE(p.text());
    Array x = Array::random(dtype_, p.input_size(), 1);
    for (std::int64_t i = 5; i < x.count(); i += 31) x.set(i, std::nan(""));
    Array with(dtype_, p.output_size());
    Array without(dtype_, p.output_size());
    std::vector<std::int32_t> indices(static_cast<std::size_t>(p.output_size()));
    expect_same_bits({&with, &without}, [&] {
      kernels_.pool_forward(p, x.data(), with.data(), indices.data());
      kernels_.pool_forward(p, x.data(), without.data(), nullptr);
    });
    EXPECT_TRUE(with.bytes() == without.bytes());
    const std::int64_t image = std::int64_t{p.h} * p.w * p.c;
    for (std::int64_t out = 0; out < p.output_size(); ++out) {
      const std::int64_t n = out / (std::int64_t{p.p()} * p.q() * p.c);
      const std::int64_t at = n * image + indices[static_cast<std::size_t>(out)] * std::int64_t{p.c} + out % p.c;
      if (indices[static_cast<std::size_t>(out)] < 0) continue;  // a window of padding alone
      ASSERT_EQ(std::isnan(with.at(out)), std::isnan(x.at(at)));
    }
  }
}

TEST_P(SimdWindows, PaddingPutsZerosAroundAndItsGradientCrops) {
  const Pad pad{1, 2, 3, 0};
  const int c = 5;
  Array x = Array::random(dtype_, 2 * 4 * 3 * c, 1);
  Array y(dtype_, 2 * 7 * 6 * c);
  Array back(dtype_, x.count());
  expect_same_bits({&y, &back}, [&] {
    kernels_.pad_forward(2, 4, 3, c, pad, dtype_, x.data(), y.data());
    kernels_.pad_backward(2, 4, 3, c, pad, dtype_, y.data(), back.data());
  });
  EXPECT_TRUE(back.bytes() == x.bytes());
  for (std::int64_t i = 0; i < y.count(); ++i) {
    const std::int64_t w = i / c % 6 - pad.left;
    const std::int64_t h = i / c / 6 % 7 - pad.top;
    const bool inside = w >= 0 && w < 3 && h >= 0 && h < 4;
    const double expected = inside ? x.at(((i / c / 42 * 4 + h) * 3 + w) * c + i % c) : 0;
    ASSERT_EQ(y.at(i), expected) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, SimdWindows,
                         testing::Combine(testing::ValuesIn(instruction_sets()),
                                          testing::Values(Dtype::f32, Dtype::bf16)),
                         name_of_case);

}  // namespace
}  // namespace thaw::simd_test
