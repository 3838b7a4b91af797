// Products on a processor's matrix unit against double loops, exactly, on integers.
#include "kernels/cpu/simd/matrix_unit.h"

#include <omp.h>

#include <cmath>

#include "tests/kernels/product_support.h"

namespace thaw::simd_test {
namespace {

/// y of a product on the matrix unit, between guards, for rows of the walk out of `a`.
struct UnitProduct {
  std::int64_t rows;
  int depth, columns;
  RowWalk walk;
  bool turned = false;  ///< the filter lies as (depth, columns)
  bool bias = true, residual = true;
  Act act = Act::relu;
};

/// Every product of integers that the unit gives is compared exactly, for one to three threads.
void expect_exact(const UnitProduct& size, const Array& a) {
  const std::vector<float> w = integers(std::int64_t{size.depth} * size.columns, 2);
  const std::vector<float> bias = integers(size.columns, 4);
  Array residual(Dtype::bf16, size.rows * size.columns);
  for (std::int64_t i = 0; i < residual.count(); ++i) residual.set(i, static_cast<double>(i % 7 - 3));
  Array y(Dtype::bf16, size.rows * size.columns);
  Scratch panels(matrix_unit_panel_bytes(size.depth, size.columns));
  Scratch scratch(3 * matrix_unit_scratch_bytes(size.depth));
  const std::int64_t depth_step = size.turned ? size.columns : 1;
  const std::int64_t column_step = size.turned ? 1 : size.depth;
  expect_same_bits({&y}, [&] {
    matrix_unit()->pack_panels({w.data(), size.depth, size.columns, depth_step, column_step}, panels.data());
    matrix_unit()->row_product({.rows = size.rows,
                                .depth = size.depth,
                                .columns = size.columns,
                                .dtype = Dtype::bf16,
                                .walk = size.walk,
                                .a = const_cast<Array&>(a).data(),
                                .panels = panels.data(),
                                .bias = size.bias ? bias.data() : nullptr,
                                .residual = size.residual ? residual.data() : nullptr,
                                .act = size.act,
                                .y = y.data()},
                               scratch.data());
  });
  EXPECT_TRUE(panels.guard_intact() && scratch.guard_intact());
  for (std::int64_t row = 0; row < size.rows; ++row) {
    const std::int64_t from = simd::row_offset(size.walk, row);
    for (int j = 0; j < size.columns; ++j) {
      double sum = size.bias ? static_cast<double>(bias[static_cast<std::size_t>(j)]) : 0;
      for (int d = 0; d < size.depth; ++d) {
        sum += a.at(from + d) * static_cast<double>(w[static_cast<std::size_t>(j * column_step + d * depth_step)]);
      }
      if (size.residual) sum += residual.at(row * size.columns + j);
      ASSERT_EQ(y.at(row * size.columns + j), rounded(act_value(size.act, sum), Dtype::bf16))
          << size.rows << "x" << size.depth << "x" << size.columns << " at " << row << ", " << j;
    }
  }
}

Array integer_rows(std::int64_t count) {
  Array a(Dtype::bf16, count);
  for (std::int64_t i = 0; i < count; ++i) a.set(i, static_cast<double>(i * 7 % 5 - 2));
  return a;
}

TEST(MatrixUnit, RowProductsMatchDoubleLoops) {
  if (matrix_unit() == nullptr) GTEST_SKIP() << "this processor has no matrix unit (AMX)";
  const struct {
    std::int64_t rows;
    int depth, columns;
  } sizes[] = {{1, 32, 32},   {32, 64, 64}, {31, 16, 16},   {33, 24, 72},    {250, 40, 24},
               {63, 96, 200}, {5, 320, 8},  {300, 200, 33}, {129, 512, 544}, {200, 2, 17}};
  for (const auto& size : sizes) {
    const Array a = integer_rows(size.rows * size.depth);
    UnitProduct product = {size.rows, size.depth, size.columns, RowWalk::dense(size.rows, size.depth)};
    expect_exact(product, a);
    product.turned = true;
    product.bias = product.residual = false;
    product.act = Act::linear;
    expect_exact(product, a);
  }
}

TEST(MatrixUnit, ReadsThePixelsOfAStridedConvolution) {
  if (matrix_unit() == nullptr) GTEST_SKIP() << "this processor has no matrix unit (AMX)";
  for (const char* text :
       {"n2c32h9w8_k48r1s1u2", "n3c48h15w15_k16r1s1u2", "n1c512h7w5_k544r1s1u3", "n40c32h2w3_k16r1s1u2"}) {
    const ConvProblem problem = ConvProblem::parse(text);
    expect_exact({problem.output_size() / problem.k, problem.c, problem.k, RowWalk::strided(problem)},
                 integer_rows(problem.input_size()));
  }
}

/// The filter gradient and the bias' of rows of x that the walk finds, exactly, for any number of shards and threads.
void expect_exact_gradient(const RowWalk& walk, const Array& x, std::int64_t rows, int c, int k,
                           const std::function<double(std::int64_t, int)>& x_at) {
  Array dy(Dtype::bf16, rows * k);
  for (std::int64_t i = 0; i < dy.count(); ++i) dy.set(i, static_cast<double>(i * 3 % 5 - 2));
  std::vector<double> expected(static_cast<std::size_t>(c) * static_cast<std::size_t>(k));
  std::vector<double> bias(static_cast<std::size_t>(k));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (int j = 0; j < k; ++j) {
      const double value = dy.at(row * k + j);
      bias[static_cast<std::size_t>(j)] += value;
      for (int i = 0; i < c; ++i) expected[static_cast<std::size_t>(j * c + i)] += value * x_at(row, i);
    }
  }
  for (const std::size_t shards : {1, 2, 5}) {
    for (const bool with_bias : {true, false}) {
      Array dw(Dtype::f32, std::int64_t{c} * k);
      Array dbias(Dtype::f32, k);
      Scratch scratch(matrix_unit_filter_scratch_bytes(c, k) * shards);
      expect_same_bits({&dw, &dbias}, [&] {
        matrix_unit()->filter_product({.rows = rows,
                                       .c = c,
                                       .k = k,
                                       .dtype = Dtype::bf16,
                                       .walk = walk,
                                       .x = const_cast<Array&>(x).data(),
                                       .dy = dy.data(),
                                       .dw = dw.f32(),
                                       .dbias = with_bias ? dbias.f32() : nullptr,
                                       .shards = shards},
                                      scratch.data());
      });
      EXPECT_TRUE(scratch.guard_intact());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(dw.at(static_cast<std::int64_t>(i)), expected[i])
            << rows << "x" << c << "x" << k << " in " << shards << " shards at " << i;
      }
      for (int j = 0; j < k && with_bias; ++j) ASSERT_EQ(dbias.at(j), bias[static_cast<std::size_t>(j)]) << j;
    }
  }
}

TEST(MatrixUnit, FilterProductsMatchDoubleLoopsForAnyNumberOfShards) {
  if (matrix_unit() == nullptr) GTEST_SKIP() << "this processor has no matrix unit (AMX)";
  const struct {
    std::int64_t rows;
    int c, k;
  } sizes[] = {{1, 1, 1},      {3, 16, 13},   {700, 24, 72},  {555, 40, 17},  {600, 130, 70},
               {300, 33, 200}, {4000, 8, 96}, {2100, 16, 48}, {1100, 64, 30}, {40, 600, 530}};
  for (const auto& size : sizes) {
    const Array x = integer_rows(size.rows * size.c);
    expect_exact_gradient(RowWalk::dense(size.rows, size.c), x, size.rows, size.c, size.k,
                          [&](std::int64_t row, int i) { return x.at(row * size.c + i); });
  }
}

TEST(MatrixUnit, FilterProductsOfStridedConvolutions) {
  if (matrix_unit() == nullptr) GTEST_SKIP() << "this processor has no matrix unit (AMX)";
  for (const char* text :
       {"n2c32h9w8_k48r1s1u2", "n3c8h45w45_k64r1s1u2", "n1c40h7w5_k16r1s1u3", "n40c32h2w3_k16r1s1u2"}) {
    const ConvProblem problem = ConvProblem::parse(text);
    const RowWalk walk = RowWalk::strided(problem);
    const Array x = integer_rows(problem.input_size());
    expect_exact_gradient(walk, x, problem.output_size() / problem.k, problem.c, problem.k,
                          [&](std::int64_t row, int i) { return x.at(simd::row_offset(walk, row) + i); });
  }
}

TEST(MatrixUnit, FilterProductsOfWindows) {
  if (matrix_unit() == nullptr) GTEST_SKIP() << "this processor has no matrix unit (AMX)";
  for (const char* text :
       {"n2c3h9w8_k16r3s3u2p0.1.0.1", "n1c3h15w16_k24r7s7u2p3", "n3c4h5w5_k8r2s4p0.1.1.2", "n2c1h3w3_k40r7s7p3"}) {
    const ConvProblem problem = ConvProblem::parse(text);
    const Array x = integer_rows(problem.input_size());
    const int depth = problem.r * problem.s * problem.c;
    std::vector<double> windows(static_cast<std::size_t>(problem.output_size() / problem.k * depth));
    for_taps(problem, [&](std::int64_t out, std::int64_t in, int tap) {
      for (int c = 0; c < problem.c; ++c) {
        windows[static_cast<std::size_t>(out * depth + tap * problem.c + c)] = x.at(in * problem.c + c);
      }
    });
    expect_exact_gradient(RowWalk::windows_of(problem), x, problem.output_size() / problem.k, depth, problem.k,
                          [&](std::int64_t row, int i) { return windows[static_cast<std::size_t>(row * depth + i)]; });
  }
}

TEST(MatrixUnit, TakesOneDepthThatDividesTheRows) {
  EXPECT_EQ(simd::unit_depth(64), 32);
  EXPECT_EQ(simd::unit_depth(40), 20);
  EXPECT_EQ(simd::unit_depth(200), 20);
  EXPECT_EQ(simd::unit_depth(184), 8);
  EXPECT_EQ(simd::unit_depth(15), 0);
}

TEST(MatrixUnit, ANumberThatIsNoneStaysInItsRow) {
  if (matrix_unit() == nullptr) GTEST_SKIP() << "this processor has no matrix unit (AMX)";
  constexpr int depth = 24;
  Array a = integer_rows(40 * depth);
  a.set(20 * depth, std::nan(""));
  const std::vector<float> w = integers(depth * 16, 2);
  Array y(Dtype::bf16, 40 * 16);
  Scratch panels(matrix_unit_panel_bytes(depth, 16));
  Scratch scratch(matrix_unit_scratch_bytes(depth) * static_cast<std::size_t>(omp_get_max_threads()));
  matrix_unit()->pack_panels({w.data(), depth, 16, 1, depth}, panels.data());
  matrix_unit()->row_product({.rows = 40,
                              .depth = depth,
                              .columns = 16,
                              .dtype = Dtype::bf16,
                              .walk = RowWalk::dense(40, depth),
                              .a = a.data(),
                              .panels = panels.data(),
                              .y = y.data()},
                             scratch.data());
  for (std::int64_t i = 0; i < y.count(); ++i) EXPECT_EQ(std::isnan(y.at(i)), i / 16 == 20) << i;
}

}  // namespace
}  // namespace thaw::simd_test
