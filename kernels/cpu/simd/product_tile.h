#pragma once

#include <utility>

#include "kernels/cpu/simd/product.h"
#include "kernels/cpu/simd/vectors.h"

THAW_SIMD_BEGIN

// The innermost part of every matrix product: a tile of a few rows and two vectors of columns stays in registers while
// the depth runs by. For each step of depth a tile loads its columns once and broadcasts one number a row, so that the
// multipliers and not the loads set the pace.

/// Rows and vectors of columns that fit the registers: 14 x 2 of 32, else 6 x 2 of 16.
constexpr int tile_rows = vector_floats == 16 ? 14 : 6;
constexpr int tile_vectors = 2;
constexpr int panel_columns = tile_vectors * vector_floats;

/// x in every place of a register, in one load.
template <int... I>
THAW_SIMD_INLINE vec<vector_floats> broadcast(const float* x, std::integer_sequence<int, I...>) {
  return vec<vector_floats>{((void)I, *x)...};
}
THAW_SIMD_INLINE vec<vector_floats> broadcast(const float* x) {
  return broadcast(x, std::make_integer_sequence<int, vector_floats>{});
}

template <int Rows, int Vectors>
THAW_SIMD_INLINE void multiply_step(const float* a, int row_step, const float* b,
                                    vec<vector_floats> (&sum)[Rows][Vectors]) {
  vec<vector_floats> column[Vectors];
  load_channels<vector_floats>(b, column);
  unrolled<Rows>([&](auto i) THAW_LAMBDA_INLINE {
    const vec<vector_floats> row = broadcast(a + i.value * row_step);
    unrolled<Vectors>([&](auto v) THAW_LAMBDA_INLINE { sum[i.value][v.value] += row * column[v.value]; });
  });
}

/// The sums of a tile of a row product: `a` packed in lines of `line_depth`, row by row; `b` a panel.
template <int Vectors>
THAW_SIMD_INLINE void multiply_panel(int depth, const float* a, const float* b,
                                     vec<vector_floats> (&sum)[tile_rows][Vectors]) {
  for (int first = 0; first < depth; first += line_depth) {
    const int n = least(line_depth, depth - first);
    for (int k = 0; k < n; ++k) {
      multiply_step(a + k, line_depth, b, sum);
      b += Vectors * vector_floats;
    }
    a += tile_rows * line_depth;
  }
}

/// The same, written to `out` (rows, columns).
template <int Vectors>
__attribute__((noinline)) void multiply_rows(int depth, const float* a, const float* b, float* out) {
  vec<vector_floats> sum[tile_rows][Vectors] = {};
  multiply_panel<Vectors>(depth, a, b, sum);
  unrolled<tile_rows>([&](auto i) THAW_LAMBDA_INLINE {
    store_channels<vector_floats>(out + i.value * Vectors * vector_floats, sum[i.value]);
  });
}

/// A tile of a filter product: `Rows` numbers of `a` and a vector or two of `b` for each of `depth` steps, which are
/// `a_step` and `b_step` apart, added to (or, with Fresh, written to) `out`, whose rows are `step` apart.
template <int Rows, int Vectors, bool Fresh>
__attribute__((noinline)) void multiply_filter(std::int64_t depth, const float* a, std::int64_t a_step, const float* b,
                                               std::int64_t b_step, float* out, std::int64_t step) {
  vec<vector_floats> sum[Rows][Vectors] = {};
  for (std::int64_t k = 0; k < depth; ++k) {
    multiply_step(a, 1, b, sum);
    a += a_step;
    b += b_step;
  }
  unrolled<Rows>([&](auto i) THAW_LAMBDA_INLINE {
    float* row = out + i.value * step;
    if constexpr (!Fresh) {
      vec<vector_floats> before[Vectors];
      load_channels<vector_floats>(row, before);
      unrolled<Vectors>([&](auto v) THAW_LAMBDA_INLINE { sum[i.value][v.value] += before[v.value]; });
    }
    store_channels<vector_floats>(row, sum[i.value]);
  });
}

/// Vectors of the panel that begins at column `first`.
THAW_SIMD_INLINE int panel_vectors(int first, int all) { return all - first > vector_floats ? 2 : 1; }

/// Copies `n` numbers as whole vectors: up to a vector beyond them is read and written.
template <class T>
THAW_SIMD_INLINE void copy_over(const T* from, int n, float* to) {
  for (int j = 0; j < n; j += vector_floats) store_vector<vector_floats>(to + j, load_vector<vector_floats>(from + j));
}

/// The windows of outputs [i, i+count), one (R,S,C) behind the other, then zeros as far as a panel can reach. What lies
/// in the image is one piece a filter row; what is written beyond a piece is overwritten by the next.
template <class T>
void load_windows(const ConvProblem& problem, const T* x, std::int64_t i, int count, float* out) {
  const int across = out_width(problem);
  const int down = out_height(problem);
  const int width = problem.s * problem.c;
  const std::int64_t image_size = std::int64_t{problem.h} * problem.w * problem.c;
  const T* const last = x + image_size * problem.n - width - vector_floats;
  int q = static_cast<int>(i % across);
  int p = static_cast<int>(i / across % down);
  const T* image = x + i / (std::int64_t{across} * down) * image_size;
  for (int k = 0; k < count; ++k) {
    const int left = q * problem.stride - problem.pad.left;
    const int top = p * problem.stride - problem.pad.top;
    const int skip = most(0, -left) * problem.c;
    const int end = least(problem.s, problem.w - left) * problem.c;
    for (int r = 0; r < problem.r; ++r, out += width) {
      const bool inside = top + r >= 0 && top + r < problem.h;
      const T* from = image + (std::int64_t{top + r} * problem.w + left) * problem.c;
      if (inside && skip == 0 && end == width && from <= last) {
        copy_over(from, width, out);
      } else {
        for (int j = 0; j < width; ++j) out[j] = inside && j >= skip && j < end ? load(from + j) : 0.0F;
      }
    }
    if (++q < across) continue;
    q = 0;
    if (++p < down) continue;
    p = 0;
    image += image_size;
  }
  for (int j = 0; j < panel_columns; ++j) out[j] = 0;
}

/// b in panels: panel by panel, (depth, columns of the panel), zeros beyond the last column.
void pack_panels(const PanelSource& source, float* panels) {
  const std::int64_t count = ceil_div(source.columns, panel_columns);
#pragma omp parallel for schedule(static) if (count > 1)
  for (std::int64_t panel = 0; panel < count; ++panel) {
    const int first = static_cast<int>(panel) * panel_columns;
    const int width = panel_vectors(first, source.columns) * vector_floats;
    const int used = least(width, source.columns - first);
    const float* from = source.w + first * source.column_step;
    float* to = panels + std::int64_t{first} * source.depth;
    for (int d = 0; d < source.depth; ++d) {
      for (int j = 0; j < used; ++j) to[j] = from[d * source.depth_step + j * source.column_step];
      for (int j = used; j < width; ++j) to[j] = 0;
      to += width;
    }
  }
}

THAW_SIMD_END
