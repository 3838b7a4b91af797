#pragma once

#include "kernels/cpu/simd/winograd.h"

THAW_SIMD_BEGIN

// dg = G'[sum over tiles of (A dy A') . (B' d B)]G: both are transformed for some tiles at a time, then each point is a
// filter product of its own, computed by one thread.

/// Rows of transformed tiles, plain, one matrix a point. A row is a line longer than its channels, so that rows of 256
/// or 512 channels do not share the same few sets of the cache.
struct WinogradRows {
  float* at;
  std::int64_t point;  ///< floats of a point
  int row;             ///< floats of a row
};

/// The tiles [first, end): pixels from (p-top, q-left), `size` wide, through `line`.
template <int In, int M, class T, class Line>
void winograd_rows(const Line& line, const ConvProblem& grid_of, const TileGrid& grid, const T* x, int height,
                   int width, int c, std::int64_t first, std::int64_t end, const WinogradRows& rows) {
  constexpr int size = Tiles<M>::size;
  const int top = In == M ? 0 : grid_of.pad.top;
  const int left = In == M ? 0 : grid_of.pad.left;
#pragma omp parallel for schedule(static)
  for (std::int64_t tile = first; tile < end; ++tile) {
    const TilePlace place = tile_place<M>(grid, tile);
    const T* image = x + std::int64_t{place.image} * height * width * c;
    float* to = rows.at + (tile - first) * rows.row;
    for (int channel = 0; channel < c; channel += vector_floats) {
      Floats pixels[In][In];
      load_pixels(image + channel, height, width, c, place.p - top, place.q - left, pixels);
      Floats out[size][size];
      transform<In, size>(line, pixels, out);
      unrolled<Tiles<M>::points>([&](auto point) THAW_LAMBDA_INLINE {
        store_vector<vector_floats>(to + channel + point.value * rows.point,
                                    out[point.value / size][point.value % size]);
      });
    }
  }
}

/// One point: sums (k, padded c) += dy rows' x rows. Tiles of dy's channels are 14 or 8 high and may reach beyond them,
/// into the line behind the row.
template <bool Fresh>
void winograd_point(const ConvProblem& problem, std::int64_t count, const float* dy, int dy_row, const float* x,
                    int x_row, float* sums) {
  const std::int64_t step = ceil_div(problem.c, panel_columns) * panel_columns;
  for (std::int64_t row = 0; row < count; row += filter_rows) {
    const std::int64_t n = least<std::int64_t>(filter_rows, count - row);
    for (int k = 0; k < problem.k; k += tile_rows) {
      for (int first = 0; first < problem.c; first += panel_columns) {
        const float* a = dy + row * dy_row + k;
        const float* b = x + row * x_row + first;
        float* out = sums + k * step + first;
        const bool two = panel_vectors(first, problem.c) == 2;
        if (Fresh && row == 0) {
          two ? multiply_filter<tile_rows, 2, true>(n, a, dy_row, b, x_row, out, step)
              : multiply_filter<tile_rows, 1, true>(n, a, dy_row, b, x_row, out, step);
        } else {
          two ? multiply_filter<tile_rows, 2, false>(n, a, dy_row, b, x_row, out, step)
              : multiply_filter<tile_rows, 1, false>(n, a, dy_row, b, x_row, out, step);
        }
      }
    }
  }
}

/// sums (points, padded k, padded c) -> dw (K,3,3,C).
template <int M>
void winograd_filter_back(const ConvProblem& problem, const float* sums, std::int64_t point_floats, float* dw) {
  constexpr int size = Tiles<M>::size;
  const std::int64_t step = ceil_div(problem.c, panel_columns) * panel_columns;
#pragma omp parallel for schedule(static)
  for (int k = 0; k < problem.k; ++k) {
    for (int channel = 0; channel < problem.c; channel += vector_floats) {
      Floats points[size][size];
      for (int point = 0; point < Tiles<M>::points; ++point) {
        points[point / size][point % size] =
            load_vector<vector_floats>(sums + point * point_floats + k * step + channel);
      }
      Floats out[3][3];
      transform<size, 3>([](const auto& in, auto& line) THAW_LAMBDA_INLINE { filter_gradient_line(in, line); }, points,
                         out);
      for (int tap = 0; tap < 9; ++tap) {
        store_vector<vector_floats>(dw + (std::int64_t{k} * 9 + tap) * problem.c + channel, out[tap / 3][tap % 3]);
      }
    }
  }
}

template <int M, class T>
void winograd_filter_gradient_typed(const ConvProblem& problem, const void* x, const void* dy, float* dw,
                                    void* scratch) {
  const TileGrid grid = tile_grid<M>(problem);
  const WinogradFilterScratch layout = winograd_filter_scratch(M, problem);
  const std::int64_t most_tiles = layout.tiles;
  float* const sums = as<float>(scratch);
  const WinogradRows x_rows = {sums + layout.sums, most_tiles * layout.x_row, layout.x_row};
  const WinogradRows dy_rows = {x_rows.at + layout.x, most_tiles * layout.dy_row, layout.dy_row};
  for (std::int64_t first = 0; first < grid.count; first += most_tiles) {
    const std::int64_t end = least(first + most_tiles, grid.count);
    winograd_rows<Tiles<M>::size, M>([](const auto& in, auto& line) THAW_LAMBDA_INLINE { input_line(in, line); },
                                     problem, grid, as<T>(x), problem.h, problem.w, problem.c, first, end, x_rows);
    winograd_rows<M, M>([](const auto& in, auto& line) THAW_LAMBDA_INLINE { gradient_line(in, line); }, problem, grid,
                        as<T>(dy), out_height(problem), out_width(problem), problem.k, first, end, dy_rows);
#pragma omp parallel for schedule(static)
    for (int point = 0; point < Tiles<M>::points; ++point) {
      const float* a = dy_rows.at + point * dy_rows.point;
      const float* b = x_rows.at + point * x_rows.point;
      float* out = sums + point * layout.point;
      first == 0 ? winograd_point<true>(problem, end - first, a, dy_rows.row, b, x_rows.row, out)
                 : winograd_point<false>(problem, end - first, a, dy_rows.row, b, x_rows.row, out);
    }
  }
  winograd_filter_back<M>(problem, sums, layout.point, dw);
}

void winograd_filter_gradient(int m, const ConvProblem& problem, const void* x, const void* dy, float* dw,
                              void* scratch) {
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    m == 2 ? winograd_filter_gradient_typed<2, T>(problem, x, dy, dw, scratch)
           : winograd_filter_gradient_typed<4, T>(problem, x, dy, dw, scratch);
  });
}

THAW_SIMD_END
