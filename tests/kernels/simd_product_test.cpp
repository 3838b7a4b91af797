#include <omp.h>

#include <cmath>

#include "tests/kernels/product_support.h"

namespace thaw::simd_test {
namespace {

// Matrix products and Winograd convolutions of each instruction set against double loops. Integers are small enough for
// every sum to be exact in f32.

/// A block of activations, and their values.
struct Activations {
  std::vector<std::byte> bytes;
  Dtype dtype;

  Activations(std::int64_t count, Dtype type) : bytes(static_cast<std::size_t>(count) * size_of(type)), dtype(type) {}
  Activations(std::int64_t count, Dtype type, int seed) : Activations(count, type) {
    for (std::int64_t i = 0; i < count; ++i) set(i, static_cast<float>((i * 7 + seed) % 5 - 2));
  }
  void set(std::int64_t i, float value) {
    if (dtype == Dtype::bf16) {
      reinterpret_cast<bf16*>(bytes.data())[i] = bf16(value);
    } else {
      reinterpret_cast<float*>(bytes.data())[i] = value;
    }
  }
  [[nodiscard]] double at(std::int64_t i) const {
    if (dtype == Dtype::bf16)
      return static_cast<double>(static_cast<float>(reinterpret_cast<const bf16*>(bytes.data())[i]));
    return static_cast<double>(reinterpret_cast<const float*>(bytes.data())[i]);
  }
};

struct AlignedFloats {
  explicit AlignedFloats(std::size_t bytes) : block(bytes / sizeof(float) + 32, std::nanf("")) {}
  float* data() {
    const auto address = reinterpret_cast<std::uintptr_t>(block.data());
    return block.data() + (64 - address % 64) % 64 / sizeof(float);
  }
  std::vector<float> block;
};

class SimdProducts : public Simd {};

TEST(RowWalk, FindsThePixelsOfAStridedConvolution) {
  for (const char* text : {"n2c3h9w8_k4r1s1u2", "n3c5h2w3_k4r1s1u2", "n4c2h1w1_k4r1s1u2", "n2c2h3w2_k4r1s1u2"}) {
    const ConvProblem problem = ConvProblem::parse(text);
    for_taps(problem, [&](std::int64_t out, std::int64_t in, int /*tap*/) {
      EXPECT_EQ(simd::row_offset(RowWalk::strided(problem), out), in * problem.c) << text << " row " << out;
    });
  }
}

TEST_P(SimdProducts, RowProductsMatchDoubleLoops) {
  const struct {
    std::int64_t rows;
    int depth, columns;
  } sizes[] = {{1, 1, 1}, {13, 16, 16}, {14, 17, 33}, {29, 40, 24}, {250, 3, 72}, {63, 130, 200}, {5, 300, 8}};
  for (const auto& size : sizes) {
    const Activations a(size.rows * size.depth, dtype_, 1);
    const Activations residual(size.rows * size.columns, dtype_, 3);
    const std::vector<float> w = integers(std::int64_t{size.depth} * size.columns, 2);
    const std::vector<float> bias = integers(size.columns, 4);
    Activations y(size.rows * size.columns, dtype_);
    AlignedFloats panels(panel_floats(size.depth, size.columns) * sizeof(float));
    kernels_.products.pack_panels({w.data(), size.depth, size.columns, 1, size.depth}, panels.data());
    AlignedFloats scratch(row_product_scratch_bytes(size.depth) * static_cast<std::size_t>(omp_get_max_threads()));
    kernels_.products.row_product({.rows = size.rows,
                                   .depth = size.depth,
                                   .columns = size.columns,
                                   .dtype = dtype_,
                                   .walk = RowWalk::dense(size.rows, size.depth),
                                   .a = a.bytes.data(),
                                   .panels = panels.data(),
                                   .bias = bias.data(),
                                   .residual = residual.bytes.data(),
                                   .act = Act::relu,
                                   .y = y.bytes.data()},
                                  scratch.data());
    for (std::int64_t row = 0; row < size.rows; ++row) {
      for (int j = 0; j < size.columns; ++j) {
        double sum = static_cast<double>(bias[static_cast<std::size_t>(j)]) + residual.at(row * size.columns + j);
        for (int d = 0; d < size.depth; ++d) {
          sum += a.at(row * size.depth + d) * static_cast<double>(w[static_cast<std::size_t>(j * size.depth + d)]);
        }
        ASSERT_EQ(y.at(row * size.columns + j), rounded(std::max(sum, 0.0), dtype_))
            << size.rows << "x" << size.depth << "x" << size.columns << " at " << row << ", " << j;
      }
    }
  }
}

TEST_P(SimdProducts, FilterProductsMatchDoubleLoopsForAnyNumberOfShards) {
  const struct {
    std::int64_t rows;
    int c, k;
  } sizes[] = {{1, 1, 1}, {3, 16, 13}, {700, 24, 72}, {555, 40, 17}, {600, 130, 70}, {300, 33, 200}, {270, 224, 64}};
  for (const auto& size : sizes) {
    for (const std::size_t shards : {1, 2, 5}) {
      const Activations x(size.rows * size.c, dtype_, 1);
      const Activations dy(size.rows * size.k, dtype_, 2);
      std::vector<float> dw(static_cast<std::size_t>(size.c * size.k));
      std::vector<float> dbias(static_cast<std::size_t>(size.k));
      AlignedFloats scratch(filter_product_scratch_bytes(size.c, size.k) * shards);
      kernels_.products.filter_product({.rows = size.rows,
                                        .c = size.c,
                                        .k = size.k,
                                        .dtype = dtype_,
                                        .walk = RowWalk::dense(size.rows, size.c),
                                        .x = x.bytes.data(),
                                        .dy = dy.bytes.data(),
                                        .dw = dw.data(),
                                        .dbias = dbias.data(),
                                        .shards = shards},
                                       scratch.data());
      for (int k = 0; k < size.k; ++k) {
        double bias = 0;
        for (std::int64_t row = 0; row < size.rows; ++row) bias += dy.at(row * size.k + k);
        ASSERT_EQ(static_cast<double>(dbias[static_cast<std::size_t>(k)]), bias);
        for (int c = 0; c < size.c; ++c) {
          double sum = 0;
          for (std::int64_t row = 0; row < size.rows; ++row) sum += dy.at(row * size.k + k) * x.at(row * size.c + c);
          ASSERT_EQ(static_cast<double>(dw[static_cast<std::size_t>(k * size.c + c)]), sum)
              << size.rows << "x" << size.c << "x" << size.k << " in " << shards << " shards at " << k << ", " << c;
        }
      }
    }
  }
}

TEST_P(SimdProducts, WindowsOfPixelsAreRowsOfAProduct) {
  for (const char* text : {"n2c3h9w8_k16r3s3u2p0.1.0.1", "n1c3h15w16_k24r7s7u2p3", "n2c4h5w5_k8r2s4p0.1.1.2"}) {
    ConvProblem problem = ConvProblem::parse(text);
    problem.dtype = dtype_;
    const int depth = problem.r * problem.s * problem.c;
    const std::int64_t rows = problem.output_size() / problem.k;
    const Activations x(problem.input_size(), dtype_, 1);
    const Activations dy(problem.output_size(), dtype_, 3);
    const std::vector<float> w = integers(problem.filter_size(), 2);
    Activations y(problem.output_size(), dtype_);
    AlignedFloats panels(panel_floats(depth, problem.k) * sizeof(float));
    kernels_.products.pack_panels({w.data(), depth, problem.k, 1, depth}, panels.data());
    AlignedFloats scratch(row_product_scratch_bytes(depth) * static_cast<std::size_t>(omp_get_max_threads()) +
                          2 * filter_product_scratch_bytes(depth, problem.k));
    kernels_.products.row_product({.rows = rows,
                                   .depth = depth,
                                   .columns = problem.k,
                                   .dtype = dtype_,
                                   .walk = RowWalk::windows_of(problem),
                                   .a = x.bytes.data(),
                                   .panels = panels.data(),
                                   .y = y.bytes.data()},
                                  scratch.data());
    std::vector<float> dw(w.size());
    kernels_.products.filter_product({.rows = rows,
                                      .c = depth,
                                      .k = problem.k,
                                      .dtype = dtype_,
                                      .walk = RowWalk::windows_of(problem),
                                      .x = x.bytes.data(),
                                      .dy = dy.bytes.data(),
                                      .dw = dw.data(),
                                      .shards = 2},
                                     scratch.data());
    std::vector<double> expected(static_cast<std::size_t>(problem.output_size()));
    std::vector<double> gradient(dw.size());
    for_taps(problem, [&](std::int64_t out, std::int64_t in, int tap) {
      for (int k = 0; k < problem.k; ++k) {
        for (int c = 0; c < problem.c; ++c) {
          const auto weight = static_cast<std::size_t>(k * depth + tap * problem.c + c);
          expected[static_cast<std::size_t>(out * problem.k + k)] +=
              x.at(in * problem.c + c) * static_cast<double>(w[weight]);
          gradient[weight] += x.at(in * problem.c + c) * dy.at(out * problem.k + k);
        }
      }
    });
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(y.at(static_cast<std::int64_t>(i)), rounded(expected[i], dtype_)) << text << " y " << i;
    }
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      ASSERT_EQ(static_cast<double>(dw[i]), gradient[i]) << text << " dw " << i;
    }
  }
}

ConvProblem convolution(int n, int c, int h, int w, int k, const Pad& pad, Dtype dtype) {
  return {.n = n, .c = c, .h = h, .w = w, .k = k, .r = 3, .s = 3, .pad = pad, .dtype = dtype};
}

std::vector<ConvProblem> winograd_problems(Dtype dtype) {
  return {convolution(2, 16, 8, 8, 16, pad_all(1), dtype),  convolution(1, 32, 7, 5, 48, pad_all(1), dtype),
          convolution(3, 48, 3, 3, 32, pad_all(0), dtype),  convolution(1, 16, 9, 6, 80, {2, 0, 1, 2}, dtype),
          convolution(1, 512, 4, 4, 32, pad_all(1), dtype), convolution(9, 16, 13, 11, 16, pad_all(1), dtype),
          convolution(1, 16, 1, 2, 112, pad_all(1), dtype)};
}

/// The 2x2 tiles are exact for integers; the 4x4 ones are off by a few roundings of the largest sum.
void expect_close(int m, double found, double expected, double largest, Dtype dtype, const ConvProblem& problem) {
  const double step = dtype == Dtype::bf16 ? 1.0 / 128 : 0.0;
  const double tolerance = m == 2 ? 0.0 : 1e-4 * largest + step * std::abs(expected);
  ASSERT_NEAR(found, m == 2 ? rounded(expected, dtype) : expected, tolerance) << "m " << m << " " << problem.text();
}

TEST_P(SimdProducts, WinogradForwardMatchesDoubleLoops) {
  for (ConvProblem problem : winograd_problems(dtype_)) {
    problem.bias = problem.residual = true;
    const Activations x(problem.input_size(), dtype_, 1);
    const Activations residual(problem.output_size(), dtype_, 2);
    const std::vector<float> w = integers(problem.filter_size(), 3);
    const std::vector<float> bias = integers(problem.k, 1);
    std::vector<double> expected(static_cast<std::size_t>(problem.output_size()));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = residual.at(static_cast<std::int64_t>(i)) +
                    static_cast<double>(bias[i % static_cast<std::size_t>(problem.k)]);
    }
    double largest = 0;
    for_taps(problem, [&](std::int64_t out, std::int64_t in, int tap) {
      for (int k = 0; k < problem.k; ++k) {
        for (int c = 0; c < problem.c; ++c) {
          expected[static_cast<std::size_t>(out * problem.k + k)] +=
              x.at(in * problem.c + c) *
              static_cast<double>(w[static_cast<std::size_t>((k * 9 + tap) * problem.c + c)]);
        }
      }
    });
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    for (const int m : {2, 4}) {
      Activations y(problem.output_size(), dtype_);
      AlignedFloats panels(winograd_filter_floats(m, problem.c, problem.k) * sizeof(float));
      AlignedFloats scratch(winograd_scratch_bytes(m, problem.c, problem.k) *
                            static_cast<std::size_t>(omp_get_max_threads()));
      kernels_.products.winograd_filter(m, problem, w.data(), false, panels.data());
      kernels_.products.winograd_forward(
          m, problem, panels.data(),
          {.x = x.bytes.data(), .bias = bias.data(), .residual = residual.bytes.data(), .y = y.bytes.data()},
          scratch.data());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expect_close(m, y.at(static_cast<std::int64_t>(i)), expected[i], largest, dtype_, problem);
      }
    }
  }
}

TEST_P(SimdProducts, WinogradFilterGradientMatchesDoubleLoops) {
  for (const ConvProblem& problem : winograd_problems(dtype_)) {
    const Activations x(problem.input_size(), dtype_, 1);
    const Activations dy(problem.output_size(), dtype_, 2);
    std::vector<double> expected(static_cast<std::size_t>(problem.filter_size()));
    for_taps(problem, [&](std::int64_t out, std::int64_t in, int tap) {
      for (int k = 0; k < problem.k; ++k) {
        for (int c = 0; c < problem.c; ++c) {
          expected[static_cast<std::size_t>((k * 9 + tap) * problem.c + c)] +=
              x.at(in * problem.c + c) * dy.at(out * problem.k + k);
        }
      }
    });
    double largest = 0;
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    for (const int m : {2, 4}) {
      std::vector<float> dw(expected.size());
      AlignedFloats scratch(winograd_filter_scratch(m, problem).bytes());
      kernels_.products.winograd_filter_gradient(m, problem, x.bytes.data(), dy.bytes.data(), dw.data(),
                                                 scratch.data());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expect_close(m, static_cast<double>(dw[i]), expected[i], largest, Dtype::f32, problem);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SimdProducts,
                         testing::Combine(testing::ValuesIn(instruction_sets()),
                                          testing::Values(Dtype::f32, Dtype::bf16)),
                         name_of_case);

}  // namespace
}  // namespace thaw::simd_test
