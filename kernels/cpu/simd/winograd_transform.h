#pragma once

#include "kernels/cpu/simd/product_tile.h"

THAW_SIMD_BEGIN

// Winograd's convolution of 3x3 filters in tiles of MxM outputs (Lavin & Gray 2016, arXiv 1509.09308): with size = M+2,
// y = A'[(G g G') . (B' d B)]A over size x size input pixels d. (M+2)^2 products give what takes 9 M^2 otherwise. The
// transforms below are one-dimensional; the two-dimensional ones apply them to columns and to rows. M = 2 uses the
// points 0, 1, -1 and has factors of powers of two only, so small integers stay exact; M = 4 adds 2 and -2.

using Floats = vec<vector_floats>;

template <int M>
struct Tiles {
  static constexpr int size = M + 2;
  static constexpr int points = size * size;
};

/// B': size -> size.
THAW_SIMD_INLINE void input_line(const Floats (&d)[4], Floats (&out)[4]) {
  out[0] = d[0] - d[2];
  out[1] = d[1] + d[2];
  out[2] = d[2] - d[1];
  out[3] = d[1] - d[3];
}
THAW_SIMD_INLINE void input_line(const Floats (&d)[6], Floats (&out)[6]) {
  const Floats even = d[4] - 4.0F * d[2];
  const Floats odd = d[3] - 4.0F * d[1];
  const Floats even_two = d[4] - d[2];
  const Floats odd_two = 2.0F * (d[3] - d[1]);
  out[0] = 4.0F * d[0] - 5.0F * d[2] + d[4];
  out[1] = even + odd;
  out[2] = even - odd;
  out[3] = even_two + odd_two;
  out[4] = even_two - odd_two;
  out[5] = 4.0F * d[1] - 5.0F * d[3] + d[5];
}

/// G: 3 -> size.
THAW_SIMD_INLINE void filter_line(const Floats (&g)[3], Floats (&out)[4]) {
  out[0] = g[0];
  out[1] = 0.5F * (g[0] + g[1] + g[2]);
  out[2] = 0.5F * (g[0] - g[1] + g[2]);
  out[3] = g[2];
}
THAW_SIMD_INLINE void filter_line(const Floats (&g)[3], Floats (&out)[6]) {
  const Floats outer = g[0] + g[2];
  const Floats wide = g[0] + 4.0F * g[2];
  out[0] = 0.25F * g[0];
  out[1] = (-1.0F / 6) * (outer + g[1]);
  out[2] = (-1.0F / 6) * (outer - g[1]);
  out[3] = (1.0F / 24) * (wide + 2.0F * g[1]);
  out[4] = (1.0F / 24) * (wide - 2.0F * g[1]);
  out[5] = g[2];
}

/// A': size -> M.
THAW_SIMD_INLINE void output_line(const Floats (&m)[4], Floats (&out)[2]) {
  out[0] = m[0] + m[1] + m[2];
  out[1] = m[1] - m[2] - m[3];
}
THAW_SIMD_INLINE void output_line(const Floats (&m)[6], Floats (&out)[4]) {
  const Floats sum = m[1] + m[2];
  const Floats difference = m[1] - m[2];
  const Floats sum_two = m[3] + m[4];
  const Floats difference_two = m[3] - m[4];
  out[0] = m[0] + sum + sum_two;
  out[1] = difference + 2.0F * difference_two;
  out[2] = sum + 4.0F * sum_two;
  out[3] = difference + 8.0F * difference_two + m[5];
}

/// A: M -> size, for the filter's gradient.
THAW_SIMD_INLINE void gradient_line(const Floats (&y)[2], Floats (&out)[4]) {
  out[0] = y[0];
  out[1] = y[0] + y[1];
  out[2] = y[0] - y[1];
  out[3] = -y[1];
}
THAW_SIMD_INLINE void gradient_line(const Floats (&y)[4], Floats (&out)[6]) {
  const Floats even = y[0] + y[2];
  const Floats odd = y[1] + y[3];
  const Floats even_two = y[0] + 4.0F * y[2];
  const Floats odd_two = 2.0F * y[1] + 8.0F * y[3];
  out[0] = y[0];
  out[1] = even + odd;
  out[2] = even - odd;
  out[3] = even_two + odd_two;
  out[4] = even_two - odd_two;
  out[5] = y[3];
}

/// G': size -> 3, for the filter's gradient.
THAW_SIMD_INLINE void filter_gradient_line(const Floats (&u)[4], Floats (&out)[3]) {
  const Floats half_sum = 0.5F * (u[1] + u[2]);
  out[0] = u[0] + half_sum;
  out[1] = 0.5F * (u[1] - u[2]);
  out[2] = half_sum + u[3];
}
THAW_SIMD_INLINE void filter_gradient_line(const Floats (&u)[6], Floats (&out)[3]) {
  const Floats sum = (-1.0F / 6) * (u[1] + u[2]);
  const Floats sum_two = (1.0F / 24) * (u[3] + u[4]);
  out[0] = 0.25F * u[0] + sum + sum_two;
  out[1] = (-1.0F / 6) * (u[1] - u[2]) + (1.0F / 12) * (u[3] - u[4]);
  out[2] = sum + 4.0F * sum_two + u[5];
}

/// `line` on the columns of `in`, then on the rows of the result.
template <int In, int Out, class Line>
THAW_SIMD_INLINE void transform(const Line& line, const Floats (&in)[In][In], Floats (&out)[Out][Out]) {
  Floats half[In][Out];
  unrolled<In>([&](auto j) THAW_LAMBDA_INLINE {
    Floats column[In];
    unrolled<In>([&](auto i) THAW_LAMBDA_INLINE { column[i.value] = in[i.value][j.value]; });
    line(column, half[j.value]);
  });
  unrolled<Out>([&](auto i) THAW_LAMBDA_INLINE {
    Floats row[In];
    unrolled<In>([&](auto j) THAW_LAMBDA_INLINE { row[j.value] = half[j.value][i.value]; });
    line(row, out[i.value]);
  });
}

/// How the outputs of a problem are cut into MxM tiles: `across` to a line of tiles, `down` lines to an image.
struct TileGrid {
  std::int64_t down, across, count;
};

template <int M>
THAW_SIMD_INLINE TileGrid tile_grid(const ConvProblem& problem) {
  const std::int64_t down = ceil_div(out_height(problem), M);
  const std::int64_t across = ceil_div(out_width(problem), M);
  return {down, across, problem.n * down * across};
}

/// A tile's image and its first output pixel.
struct TilePlace {
  int image, p, q;
};

template <int M>
THAW_SIMD_INLINE TilePlace tile_place(const TileGrid& grid, std::int64_t tile) {
  const std::int64_t line = tile / grid.across;
  return {static_cast<int>(line / grid.down), static_cast<int>(line % grid.down) * M,
          static_cast<int>(tile % grid.across) * M};
}

/// Pixels [h, h+Size) x [w, w+Size) of one image (height,width,c) from `channel` on; zeros outside.
template <int Size, class T>
THAW_SIMD_INLINE void load_pixels(const T* image, int height, int width, int c, int h, int w,
                                  Floats (&pixels)[Size][Size]) {
  for (int i = 0; i < Size; ++i) {
    for (int j = 0; j < Size; ++j) {
      const bool inside = h + i >= 0 && h + i < height && w + j >= 0 && w + j < width;
      pixels[i][j] = inside ? load_vector<vector_floats>(image + (std::int64_t{h + i} * width + w + j) * c) : Floats{};
    }
  }
}

THAW_SIMD_END
