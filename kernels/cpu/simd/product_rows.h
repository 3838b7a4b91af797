#pragma once

#include <omp.h>

#include "kernels/cpu/simd/product_tile.h"

THAW_SIMD_BEGIN

/// One row into its place in a tile, `line_depth` numbers at a time.
template <class T>
THAW_SIMD_INLINE void pack_row(const T* from, int depth, float* to) {
  constexpr int vectors = line_depth / vector_floats;
  int k = 0;
  for (; k + line_depth <= depth; k += line_depth, to += tile_rows * line_depth) {
    vec<vector_floats> line[vectors];
    load_channels<vector_floats>(from + k, line);
    store_channels<vector_floats>(to, line);
  }
  for (int j = 0; k + j < depth; ++j) to[j] = load(from + k + j);
}

/// Packs `used` rows from `first` on as one tile: (depth / line_depth, rows, line_depth), zeros for missing rows.
template <class T>
void pack_tile(const RowProduct& product, std::int64_t first, int used, float* tile) {
  for (int i = 0; i < tile_rows; ++i) {
    float* to = tile + i * line_depth;
    if (i >= used) {
      for (int k = 0; k < product.depth; k += line_depth, to += tile_rows * line_depth) {
        for (int j = 0; j < line_depth; ++j) to[j] = 0;
      }
      continue;
    }
    if (product.walk.windows != nullptr) {
      alignas(64) float window[widest_window + panel_columns];
      load_windows(*product.walk.windows, as<T>(product.a), first + i, 1, window);
      pack_row(static_cast<const float*>(window), product.depth, to);
    } else {
      pack_row(as<T>(product.a) + row_offset(product.walk, first + i), product.depth, to);
    }
  }
}

/// One vector of a finished row: bias and residual where there are any, and the activation.
template <class T, class A, int W>
THAW_SIMD_INLINE void finish_vector(const float* sum, const float* bias, const T* residual, T* y) {
  vec<W> value = load_vector<W>(sum);
  if (bias != nullptr) value += load_vector<W>(bias);
  if (residual != nullptr) value += load_vector<W>(residual);
  store_vector<W>(y, A::value(value));
}

/// What happens to a tile's sums: bias, residual, activation, rounding.
template <class T, class A>
void finish_tile(const RowProduct& product, const Tile& tile, int width, std::int64_t row, int rows, int first) {
  const int used = least(width, product.columns - first);
  const float* bias = product.bias != nullptr ? product.bias + first : nullptr;
  for (int i = 0; i < rows; ++i) {
    const float* sum = tile.at + i * width;
    const std::int64_t at = (row + i) * product.columns + first;
    T* y = as<T>(product.y) + at;
    const T* residual = product.residual != nullptr ? as<T>(product.residual) + at : nullptr;
    const auto finish = [&](int j, auto w) THAW_LAMBDA_INLINE {
      finish_vector<T, A, w.value>(sum + j, bias != nullptr ? bias + j : nullptr,
                                   residual != nullptr ? residual + j : nullptr, y + j);
    };
    int j = 0;
    for (; j + vector_floats <= used; j += vector_floats) finish(j, Constant<vector_floats>{});
    if constexpr (vector_floats > 8) {
      for (; j + 8 <= used; j += 8) finish(j, Constant<8>{});
    }
    for (; j < used; ++j) finish(j, Constant<1>{});
  }
}

/// One packed tile times one panel.
template <class T, class A>
THAW_SIMD_INLINE void row_product_tile(const RowProduct& product, const float* packed, std::int64_t row, int rows,
                                       int first) {
  const float* panel = product.panels + std::int64_t{first} * product.depth;
  // The lines that will be read and written arrive while the tile is being multiplied.
  const std::int64_t at = row * product.columns + first;
  const int last = least(panel_columns, product.columns - first) - 1;
  for (int i = 0; i < rows; ++i) {
    const T* y = as<T>(product.y) + at + std::int64_t{i} * product.columns;
    __builtin_prefetch(y, 1);
    __builtin_prefetch(y + last, 1);
    if (product.residual == nullptr) continue;
    const T* residual = as<T>(product.residual) + at + std::int64_t{i} * product.columns;
    __builtin_prefetch(residual);
    __builtin_prefetch(residual + last);
  }
  Tile tile;
  if (panel_vectors(first, product.columns) == 2) {
    multiply_rows<2>(product.depth, packed, panel, tile.at);
    finish_tile<T, A>(product, tile, panel_columns, row, rows, first);
  } else {
    multiply_rows<1>(product.depth, packed, panel, tile.at);
    finish_tile<T, A>(product, tile, vector_floats, row, rows, first);
  }
}

/// Rows [row, end). Where b is small, a tile is finished before the next is packed, so that a and y are streams;
/// otherwise the tiles wait in L2 while the panels come by, each used for all of them.
template <class T, class A>
void row_product_block(const RowProduct& product, std::int64_t row, std::int64_t end, float* packed) {
  const std::int64_t tile_floats = tile_rows * ceil_div(product.depth, line_depth) * line_depth;
  const auto rows_of = [&](std::int64_t at)
                           THAW_LAMBDA_INLINE { return static_cast<int>(least<std::int64_t>(tile_rows, end - at)); };
  if (std::int64_t{product.depth} * product.columns <= small_panels) {
    for (std::int64_t at = row; at < end; at += tile_rows) {
      pack_tile<T>(product, at, rows_of(at), packed);
      for (int first = 0; first < product.columns; first += panel_columns) {
        row_product_tile<T, A>(product, packed, at, rows_of(at), first);
      }
    }
    return;
  }
  float* to = packed;
  for (std::int64_t at = row; at < end; at += tile_rows, to += tile_floats) {
    pack_tile<T>(product, at, rows_of(at), to);
  }
  for (int first = 0; first < product.columns; first += panel_columns) {
    const float* a = packed;
    for (std::int64_t at = row; at < end; at += tile_rows, a += tile_floats) {
      row_product_tile<T, A>(product, a, at, rows_of(at), first);
    }
  }
}

/// `scratch`: `row_product_scratch_bytes` for each of the threads of the next parallel region.
void row_product(const RowProduct& product, void* scratch) {
  const std::int64_t threads = omp_get_max_threads();
  const std::int64_t tiles = ceil_div(product.rows, tile_rows);
  const std::int64_t blocks = ceil_div(ceil_div(tiles, block_tiles), threads) * threads;
  const std::int64_t step = ceil_div(tiles, blocks) * tile_rows;
  const std::int64_t floats = block_tiles * tile_rows * ceil_div(product.depth, line_depth) * line_depth;
  with_activation_type(product.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    pointwise::with_activation(product.act, [&](auto act) {
#pragma omp parallel for schedule(static)
      for (std::int64_t row = 0; row < product.rows; row += step) {
        row_product_block<T, decltype(act)>(product, row, least(row + step, product.rows),
                                            as<float>(scratch) + omp_get_thread_num() * floats);
      }
    });
  });
}

THAW_SIMD_END
