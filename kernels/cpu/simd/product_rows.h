#pragma once

#include <omp.h>

#include "kernels/cpu/simd/product_tile.h"

THAW_SIMD_BEGIN

/// Whether b stays in L1.
THAW_SIMD_INLINE bool is_small(const RowProduct& product) {
  return std::int64_t{product.depth} * product.columns <= small_panels;
}

/// One row into its place in a tile, `line_depth` numbers at a time.
template <class T>
THAW_SIMD_INLINE void pack_row(const T* from, int depth, float* to) {
  constexpr int vectors = line_depth / vector_floats;
  int k = 0;
  for (; k + line_depth <= depth; k += line_depth, to += tile_rows * line_depth) {
    fetch_ahead(from + k);
    vec<vector_floats> line[vectors];
    load_channels<vector_floats>(from + k, line);
    store_channels<vector_floats>(to, line);
  }
  int j = 0;
  if constexpr (vector_floats > 8) {
    for (; k + j + 8 <= depth; j += 8) store_vector<8>(to + j, load_vector<8>(from + k + j));
  }
  for (; k + j < depth; ++j) to[j] = load(from + k + j);
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

/// The first `n` numbers of a row of a tile, from or to memory that ends behind them.
template <class T, int Vectors>
THAW_SIMD_INLINE void load_columns(const T* from, int n, vec<vector_floats> (&to)[Vectors]) {
  if (n == Vectors * vector_floats) return load_channels<vector_floats>(from, to);
  alignas(64) T row[Vectors * vector_floats] = {};
  for (int j = 0; j < n; ++j) row[j] = from[j];
  load_channels<vector_floats>(static_cast<const T*>(row), to);
}
template <int Vectors>
THAW_SIMD_INLINE void store_columns(float* to, int n, const vec<vector_floats> (&from)[Vectors]) {
  if (n == Vectors * vector_floats) return store_channels<vector_floats>(to, from);
#if defined(__AVX512F__)
  unrolled<Vectors>([&](auto v) THAW_LAMBDA_INLINE {
    const int left = n - v.value * vector_floats;
    const auto mask = static_cast<__mmask16>(left >= vector_floats ? 0xffff : (1 << most(left, 0)) - 1);
    _mm512_mask_storeu_ps(to + v.value * vector_floats, mask, (__m512)from[v.value]);
  });
#else
  float row[Vectors * vector_floats];
  store_channels<vector_floats>(static_cast<float*>(row), from);
  for (int j = 0; j < n; ++j) to[j] = row[j];
#endif
}
template <int Vectors>
THAW_SIMD_INLINE void store_columns(Half* to, int n, const vec<vector_floats> (&from)[Vectors]) {
#if defined(__AVX512BF16__)
  if constexpr (Vectors == 2) {
    const __m512bh row = _mm512_cvtne2ps_pbh((__m512)from[1], (__m512)from[0]);
    _mm512_mask_storeu_epi16(to, static_cast<__mmask32>((std::uint64_t{1} << n) - 1), (__m512i)row);
    return;
  }
#endif
  if (n == Vectors * vector_floats) return store_channels<vector_floats>(to, from);
  Half row[Vectors * vector_floats];
  store_channels<vector_floats>(static_cast<Half*>(row), from);
  for (int j = 0; j < n; ++j) to[j] = row[j];
}

/// Asks for the lines of `count` numbers, to be written or read.
template <int Written, class T>
THAW_SIMD_INLINE void prefetch_lines(const T* from, std::int64_t count) {
  const char* const end = as<char>(from + count);
  for (const char* at = as<char>(from); at < end; at += 64) __builtin_prefetch(at, Written);
  __builtin_prefetch(end - 1, Written);
}

/// A tile of y, from packed rows and a panel to bias, residual, activation and rounding, without leaving the registers.
/// Plain: there is neither bias nor residual.
template <class T, class A, int Vectors, bool Plain>
__attribute__((noinline)) void multiply_tile(const RowProduct& product, const float* packed, std::int64_t row, int rows,
                                             int first) {
  const int used = least(Vectors * vector_floats, product.columns - first);
  const std::int64_t at = row * product.columns + first;
  vec<vector_floats> sum[tile_rows][Vectors] = {};
  multiply_panel<Vectors>(product.depth, packed, as<float>(product.panels) + std::int64_t{first} * product.depth, sum);
  vec<vector_floats> bias[Vectors] = {};
  if (!Plain && product.bias != nullptr) load_columns(product.bias + first, used, bias);
  const T* residual = !Plain && product.residual != nullptr ? as<T>(product.residual) + at : nullptr;
  T* y = as<T>(product.y) + at;
  unrolled<tile_rows>([&](auto i) THAW_LAMBDA_INLINE {
    if (i.value >= rows) return;
    vec<vector_floats> value[Vectors];
    vec<vector_floats> before[Vectors] = {};
    if (!Plain && residual != nullptr) load_columns(residual + i.value * product.columns, used, before);
    unrolled<Vectors>([&](auto v) THAW_LAMBDA_INLINE {
      auto z = sum[i.value][v.value];
      if constexpr (!Plain) z += bias[v.value] + before[v.value];
      value[v.value] = A::value(z);
    });
    store_columns(y + i.value * product.columns, used, value);
  });
}

/// One packed tile times one panel, while the lines arrive that will be read and written. Where b is small, a tile is
/// done sooner than memory answers, so those of a later tile are asked for.
template <class T, class A>
THAW_SIMD_INLINE void row_product_tile(const RowProduct& product, const float* packed, std::int64_t row, int rows,
                                       int first) {
  const std::int64_t at = row * product.columns + first;
  const int used = least(panel_columns, product.columns - first);
  const std::int64_t ahead = is_small(product) ? ahead_bytes / 2 / static_cast<std::int64_t>(sizeof(T)) : 0;
  const bool plain = product.bias == nullptr && product.residual == nullptr;
  for (std::int64_t i = 0; i < rows; ++i) {
    prefetch_lines<1>(as<T>(product.y) + at + ahead + i * product.columns, used);
    if (product.residual != nullptr)
      prefetch_lines<0>(as<T>(product.residual) + at + ahead + i * product.columns, used);
  }
  const auto multiply = [&](auto vectors) THAW_LAMBDA_INLINE {
    if (plain) {
      multiply_tile<T, A, vectors.value, true>(product, packed, row, rows, first);
    } else {
      multiply_tile<T, A, vectors.value, false>(product, packed, row, rows, first);
    }
  };
  if (panel_vectors(first, product.columns) == 2) {
    multiply(Constant<2>{});
  } else {
    multiply(Constant<1>{});
  }
}

/// Rows [row, end). Where b is small, a tile is finished before the next is packed, so that a and y are streams;
/// otherwise the tiles wait in L2 while the panels come by, each used for all of them.
template <class T, class A>
void row_product_block(const RowProduct& product, std::int64_t row, std::int64_t end, float* packed) {
  const std::int64_t tile_floats = tile_rows * ceil_div(product.depth, line_depth) * line_depth;
  const auto rows_of = [&](std::int64_t at)
                           THAW_LAMBDA_INLINE { return static_cast<int>(least<std::int64_t>(tile_rows, end - at)); };
  if (is_small(product)) {
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

/// A few rows, of squeeze-excite or a dense layer: the threads share the panels.
template <class T, class A>
void row_product_few(const RowProduct& product, float* packed) {
  const std::int64_t panels = ceil_div(product.columns, panel_columns);
  const std::int64_t thread = omp_get_thread_num();
  const std::int64_t threads = omp_get_num_threads();
  const auto first = static_cast<int>(panels * thread / threads) * panel_columns;
  const auto last = static_cast<int>(panels * (thread + 1) / threads) * panel_columns;
  for (std::int64_t row = 0; row < product.rows && first < last; row += tile_rows) {
    const int rows = static_cast<int>(least<std::int64_t>(tile_rows, product.rows - row));
    pack_tile<T>(product, row, rows, packed);
    for (int column = first; column < least(last, product.columns); column += panel_columns) {
      row_product_tile<T, A>(product, packed, row, rows, column);
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
      if (tiles < 2 * threads) {
#pragma omp parallel
        row_product_few<T, decltype(act)>(product, as<float>(scratch) + omp_get_thread_num() * floats);
        return;
      }
#pragma omp parallel for schedule(static)
      for (std::int64_t row = 0; row < product.rows; row += step) {
        row_product_block<T, decltype(act)>(product, row, least(row + step, product.rows),
                                            as<float>(scratch) + omp_get_thread_num() * floats);
      }
    });
  });
}

THAW_SIMD_END
