#pragma once

#include <omp.h>

#include "kernels/cpu/simd/product_rows.h"
#include "kernels/cpu/simd/winograd_transform.h"

THAW_SIMD_BEGIN

// Forward, and with the turned filter the input gradient. A thread takes some rows of tiles, transforms their pixels
// into one packed matrix a point, and for each panel of output channels multiplies all points and transforms back: what
// it works on stays in L2, and the transformed filter runs by.

/// The transformed filter in panels: (columns / panel, points, depth, panel). `w` (K,3,3,C). Turned: depth K, columns
/// C, rows and columns of the filter in reverse order.
template <int M>
void winograd_filter_typed(const ConvProblem& problem, const float* w, bool turned, float* panels) {
  const int depth = turned ? problem.k : problem.c;
  const int all = turned ? problem.c : problem.k;
  const std::int64_t filter = std::int64_t{9} * problem.c;
  const std::int64_t column_step = turned ? 1 : filter;
  const std::int64_t depth_step = turned ? filter : 1;
  const std::int64_t count = ceil_div(all, panel_columns);
#pragma omp parallel for schedule(static)
  for (std::int64_t panel = 0; panel < count; ++panel) {
    const int first = static_cast<int>(panel) * panel_columns;
    const int width = panel_vectors(first, all) * vector_floats;
    float* const base = panels + std::int64_t{first} * Tiles<M>::points * depth;
    for (int d = 0; d < depth; ++d) {
      for (int v = 0; v < width; v += vector_floats) {
        Floats taps[3][3];
        for (int tap = 0; tap < 9; ++tap) {
          const float* from = w + d * depth_step + (first + v) * column_step + std::int64_t{tap} * problem.c;
          alignas(64) float line[vector_floats];
          for (int j = 0; j < vector_floats; ++j) line[j] = first + v + j < all ? from[j * column_step] : 0.0F;
          const int at = turned ? 8 - tap : tap;
          taps[at / 3][at % 3] = load_vector<vector_floats>(line);
        }
        Floats out[Tiles<M>::size][Tiles<M>::size];
        transform<3, Tiles<M>::size>([](const auto& in, auto& to) THAW_LAMBDA_INLINE { filter_line(in, to); }, taps,
                                     out);
        for (int point = 0; point < Tiles<M>::points; ++point) {
          store_vector<vector_floats>(base + (std::int64_t{point} * depth + d) * width + v,
                                      out[point / Tiles<M>::size][point % Tiles<M>::size]);
        }
      }
    }
  }
}

/// What a thread works with: `rows` packed rows of tiles for each point, and the products of one panel.
struct WinogradBlock {
  std::int64_t first, end;    ///< tiles
  std::int64_t point_floats;  ///< of the packed matrix of one point
  float* packed;
  float* products;  ///< of a panel (points, rows, columns); by point, panel behind panel
};

template <int M, class T>
void winograd_input(const ConvProblem& problem, const TileGrid& grid, const T* x, const WinogradBlock& block) {
  constexpr int size = Tiles<M>::size;
  const int c = problem.c;
  const std::int64_t tile_floats = std::int64_t{tile_rows} * c;
  for (std::int64_t tile = block.first; tile < block.end; ++tile) {
    const TilePlace place = tile_place<M>(grid, tile);
    const T* image = x + std::int64_t{place.image} * problem.h * problem.w * c;
    const std::int64_t row = tile - block.first;
    float* to = block.packed + row / tile_rows * tile_floats + row % tile_rows * line_depth;
    for (int channel = 0; channel < c; channel += vector_floats) {
      Floats pixels[size][size];
      load_pixels(image + channel, problem.h, problem.w, c, place.p - problem.pad.top, place.q - problem.pad.left,
                  pixels);
      Floats out[size][size];
      transform<size, size>([](const auto& in, auto& line) THAW_LAMBDA_INLINE { input_line(in, line); }, pixels, out);
      float* at = to + channel / line_depth * (tile_rows * line_depth) + channel % line_depth;
      unrolled<Tiles<M>::points>([&](auto point) THAW_LAMBDA_INLINE {
        store_vector<vector_floats>(at + point.value * block.point_floats, out[point.value / size][point.value % size]);
      });
    }
  }
}

/// The products of one panel back to output pixels, with bias, residual and activation.
template <int M, class T, class A>
void winograd_output(const ConvProblem& problem, const TileGrid& grid, const ConvForward& args,
                     const float* all_products, const WinogradBlock& block, int first, int width) {
  constexpr int size = Tiles<M>::size;
  const int height = out_height(problem);
  const int across = out_width(problem);
  const std::int64_t point_step = ceil_div(block.end - block.first, tile_rows) * tile_rows * width;
  for (std::int64_t tile = block.first; tile < block.end; ++tile) {
    const TilePlace place = tile_place<M>(grid, tile);
    for (int v = 0; v < width; v += vector_floats) {
      const float* from = all_products + (tile - block.first) * width + v;
      Floats products[size][size];
      unrolled<Tiles<M>::points>([&](auto point) THAW_LAMBDA_INLINE {
        products[point.value / size][point.value % size] = load_vector<vector_floats>(from + point.value * point_step);
      });
      Floats out[M][M];
      transform<size, M>([](const auto& in, auto& line) THAW_LAMBDA_INLINE { output_line(in, line); }, products, out);
      const float* bias = problem.bias ? as<float>(args.bias) + first + v : nullptr;
      for (int i = 0; i < M && place.p + i < height; ++i) {
        for (int j = 0; j < M && place.q + j < across; ++j) {
          const std::int64_t at =
              ((std::int64_t{place.image} * height + place.p + i) * across + place.q + j) * problem.k + first + v;
          alignas(64) float sum[vector_floats];
          store_vector<vector_floats>(sum, out[i][j]);
          finish_vector<T, A, vector_floats>(sum, bias, problem.residual ? as<T>(args.residual) + at : nullptr,
                                             as<T>(args.y) + at);
        }
      }
    }
  }
}

/// The products of one point and one panel.
template <int M>
THAW_SIMD_INLINE void winograd_multiply(const ConvProblem& problem, const float* panels, const WinogradBlock& block,
                                        int point, int first, float* panel_products) {
  const std::int64_t rows = ceil_div(block.end - block.first, tile_rows);
  const std::int64_t tile_floats = std::int64_t{tile_rows} * problem.c;
  const int vectors = panel_vectors(first, problem.k);
  const int width = vectors * vector_floats;
  const float* panel = panels + (std::int64_t{first} * Tiles<M>::points + std::int64_t{point} * width) * problem.c;
  const float* a = block.packed + point * block.point_floats;
  float* out = panel_products + point * rows * tile_rows * width;
  for (std::int64_t row = 0; row < rows; ++row, a += tile_floats, out += tile_rows * width) {
    vectors == 2 ? multiply_rows<2>(problem.c, a, panel, out) : multiply_rows<1>(problem.c, a, panel, out);
  }
}

template <int M, class T, class A>
void winograd_block(const ConvProblem& problem, const TileGrid& grid, const float* panels, const ConvForward& args,
                    const WinogradBlock& block, bool by_point) {
  constexpr int points = Tiles<M>::points;
  const std::int64_t rows = ceil_div(block.end - block.first, tile_rows) * tile_rows;
  const auto products_of = [&](int first)
                               THAW_LAMBDA_INLINE { return block.products + (by_point ? first * points * rows : 0); };
  winograd_input<M, T>(problem, grid, as<T>(args.x), block);
  if (by_point) {
    for (int point = 0; point < points; ++point) {
      for (int first = 0; first < problem.k; first += panel_columns) {
        winograd_multiply<M>(problem, panels, block, point, first, products_of(first));
      }
    }
  }
  for (int first = 0; first < problem.k; first += panel_columns) {
    if (!by_point) {
      for (int point = 0; point < points; ++point) {
        winograd_multiply<M>(problem, panels, block, point, first, block.products);
      }
    }
    winograd_output<M, T, A>(problem, grid, args, products_of(first), block, first,
                             panel_vectors(first, problem.k) * vector_floats);
  }
}

template <int M>
void winograd_forward_typed(const ConvProblem& problem, const float* panels, const ConvForward& args, void* scratch) {
  const TileGrid grid = tile_grid<M>(problem);
  const std::int64_t threads = omp_get_max_threads();
  const WinogradCut cut = winograd_cut(M, problem.c);
  const std::int64_t rows = ceil_div(grid.count, tile_rows);
  const std::int64_t blocks = ceil_div(ceil_div(rows, cut.rows), threads) * threads;
  const std::int64_t step = ceil_div(rows, blocks) * tile_rows;
  const auto floats = static_cast<std::int64_t>(winograd_scratch_bytes(M, problem.c, problem.k) / sizeof(float));
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    pointwise::with_activation(problem.act, [&](auto act) {
#pragma omp parallel for schedule(static)
      for (std::int64_t tile = 0; tile < grid.count; tile += step) {
        float* const own = as<float>(scratch) + omp_get_thread_num() * floats;
        const std::int64_t point_floats = step * problem.c;
        winograd_block<M, T, decltype(act)>(
            problem, grid, panels, args,
            {tile, least(tile + step, grid.count), point_floats, own, own + Tiles<M>::points * point_floats},
            cut.by_point);
      }
    });
  });
}

void winograd_filter(int m, const ConvProblem& problem, const float* w, bool turned, float* panels) {
  m == 2 ? winograd_filter_typed<2>(problem, w, turned, panels) : winograd_filter_typed<4>(problem, w, turned, panels);
}

void winograd_forward(int m, const ConvProblem& problem, const float* panels, const ConvForward& args, void* scratch) {
  m == 2 ? winograd_forward_typed<2>(problem, panels, args, scratch)
         : winograd_forward_typed<4>(problem, panels, args, scratch);
}

THAW_SIMD_END
