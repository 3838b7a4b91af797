#pragma once

#include "kernels/cpu/simd/product_tile.h"

THAW_SIMD_BEGIN

/// The tile height that divides `k` with the least waste.
THAW_SIMD_INLINE int tile_height(int k) {
  if constexpr (vector_floats != 16) return tile_rows;
  int best = 14;
  const auto padded = [k](int rows) THAW_LAMBDA_INLINE { return round_up(k, rows); };
  for (const int rows : {13, 12, 10, 8}) {
    if (padded(rows) < padded(best)) best = rows;
  }
  return best;
}

/// Calls f(Constant<tile_height(k)>).
template <class F>
THAW_SIMD_INLINE void with_tile_height(int k, const F& f) {
  if constexpr (vector_floats == 16) {
    switch (tile_height(k)) {
      case 14: return f(Constant<14>{});
      case 13: return f(Constant<13>{});
      case 12: return f(Constant<12>{});
      case 10: return f(Constant<10>{});
      default: return f(Constant<8>{});
    }
  } else {
    f(Constant<tile_rows>{});
  }
}

/// One row of x into its places in the panels (columns / panel, n, panel columns), zeros beyond the last column.
template <class T>
THAW_SIMD_INLINE void pack_column_row(const T* from, int c, int m, float* panels) {
  for (int first = 0; first < c; first += panel_columns) {
    const int width = panel_vectors(first, c) * vector_floats;
    float* to = panels + std::int64_t{first} * filter_rows + m * width;
    int j = 0;
    const int used = least(width, c - first);
    for (; j + vector_floats <= used; j += vector_floats) {
      fetch_ahead(from + first + j);
      store_vector<vector_floats>(to + j, load_vector<vector_floats>(from + first + j));
    }
    for (; j < used; ++j) to[j] = load(from + first + j);
    for (; j < width; ++j) to[j] = 0;
  }
}

template <class T>
void pack_columns(const FilterProduct& product, std::int64_t row, int n, float* panels) {
  for (int m = 0; m < n; ++m) {
    if (product.walk.windows != nullptr) {
      alignas(64) float window[widest_window + panel_columns];
      load_windows(*product.walk.windows, as<T>(product.x), row + m, 1, window);
      pack_column_row(static_cast<const float*>(window), product.c, m, panels);
    } else {
      pack_column_row(as<T>(product.x) + row_offset(product.walk, row + m), product.c, m, panels);
    }
  }
}

/// Floats between two packed tiles of dy: the last row of a tile is stored as a whole vector too.
template <int Rows>
constexpr std::int64_t tile_step = filter_rows* Rows + vector_floats;

/// dy rows as tiles (k / Rows, n, Rows), zeros beyond the last channel. Whole vectors are stored: what stands behind a
/// row is overwritten by the next one.
template <int Rows, class T>
void pack_heights(const FilterProduct& product, std::int64_t row, int n, float* tiles) {
  for (int m = 0; m < n; ++m) {
    const T* from = as<T>(product.dy) + (row + m) * product.k;
    int k = 0;
    float* to = tiles + m * Rows;
    constexpr int stored = (Rows + vector_floats - 1) / vector_floats * vector_floats;
    for (; k + stored <= product.k; k += Rows, to += tile_step<Rows>) {
      fetch_ahead(from + k);
      for (int i = 0; i < stored; i += vector_floats) {
        store_vector<vector_floats>(to + i, load_vector<vector_floats>(from + k + i));
      }
    }
    for (; k < product.k; k += Rows, to += tile_step<Rows>) {
      for (int i = 0; i < Rows; ++i) to[i] = k + i < product.k ? load(from + k + i) : 0.0F;
    }
  }
}

/// What a shard works with.
struct FilterScratch {
  float* sums;     ///< (padded k, padded c)
  double* bias;    ///< (padded k)
  float* panels;   ///< packed x
  float* heights;  ///< packed dy
};

THAW_SIMD_INLINE FilterScratch filter_scratch(const FilterProduct& product, void* scratch, std::size_t shard) {
  const std::size_t floats = filter_product_scratch_bytes(product.c, product.k) / sizeof(float);
  const std::int64_t width = round_up(product.c, widest_panel);
  const std::int64_t rows = round_up(product.k, line_depth) + 2 * widest_panel;
  float* base = as<float>(scratch) + shard * floats;
  float* bias = base + rows * width;
  float* packed = bias + 4 * rows;
  return {base, as<double>(static_cast<void*>(bias)), packed, packed + filter_rows * width};
}

/// Packed or plain rows of x and dy: where tile k and panel c begin, and how far apart their rows are.
struct FilterBlock {
  int rows = 0;
  const float* dy = nullptr;
  std::int64_t dy_tile = 0, dy_row = 0;
  const float* x = nullptr;
  std::int64_t x_column = 0;  ///< floats a column of panels, 0 < x_row: plain rows
  std::int64_t x_row = 0;     ///< 0: packed, a row is as wide as its panel
};

/// Bytes that will be wanted soon. Some of them are asked for after every tile, so that memory works while the
/// multipliers do.
class Ahead {
 public:
  Ahead(const void* from, std::int64_t bytes, std::int64_t tiles)
      : at_(as<char>(from)), end_(at_ + bytes), step_(ceil_div(bytes, tiles * 64) * 64) {}

  THAW_SIMD_INLINE void advance() {
    const char* const stop = end_ - at_ < step_ ? end_ : at_ + step_;
    for (; at_ < stop; at_ += 64) __builtin_prefetch(at_, 0, 2);
  }

 private:
  const char* at_;
  const char* end_;
  std::int64_t step_;
};

/// The inner loop runs over the smaller of the two blocks, which then stays in the cache.
template <int Rows, bool Fresh>
void multiply_block(const FilterProduct& product, const FilterBlock& block, float* sums, Ahead x_ahead,
                    Ahead dy_ahead) {
  const std::int64_t step = ceil_div(product.c, panel_columns) * panel_columns;
  const auto multiply = [&](int k, int first) THAW_LAMBDA_INLINE {
    const float* a = block.dy + k / Rows * block.dy_tile;
    const float* b = block.x + first * block.x_column;
    float* out = sums + k * step + first;
    if (panel_vectors(first, product.c) == 2) {
      const std::int64_t row = block.x_row != 0 ? block.x_row : panel_columns;
      multiply_filter<Rows, 2, Fresh>(block.rows, a, block.dy_row, b, row, out, step);
    } else {
      const std::int64_t row = block.x_row != 0 ? block.x_row : vector_floats;
      multiply_filter<Rows, 1, Fresh>(block.rows, a, block.dy_row, b, row, out, step);
    }
    x_ahead.advance();
    dy_ahead.advance();
  };
  if (product.c > product.k) {
    for (int first = 0; first < product.c; first += panel_columns) {
      for (int k = 0; k < product.k; k += Rows) multiply(k, first);
    }
  } else {
    for (int k = 0; k < product.k; k += Rows) {
      for (int first = 0; first < product.c; first += panel_columns) multiply(k, first);
    }
  }
}

template <int Rows>
void add_bias(const FilterProduct& product, const FilterBlock& block, double* bias) {
  for (int k = 0; k < product.k; k += Rows) {
    const float* a = block.dy + k / Rows * block.dy_tile;
    float sum[Rows] = {};
    for (int m = 0; m < block.rows; ++m) {
#pragma omp simd
      for (int i = 0; i < Rows; ++i) sum[i] += a[m * block.dy_row + i];
    }
    for (int i = 0; i < Rows; ++i) bias[k + i] += static_cast<double>(sum[i]);
  }
}

/// `count` elements as floats, and zeros behind them as far as a tile can reach.
template <class T>
void unpack(const T* from, std::int64_t count, float* to) {
  std::int64_t i = 0;
  for (; i + vector_floats <= count; i += vector_floats) {
    store_vector<vector_floats>(to + i, load_vector<vector_floats>(from + i));
  }
  for (; i < count; ++i) to[i] = load(from + i);
  for (int j = 0; j < panel_columns; ++j) to[count + j] = 0;
}

THAW_SIMD_INLINE bool is_narrow(const FilterProduct& product) {
  return product.c + product.k <= narrow_columns &&
         (product.walk.windows != nullptr || (is_even(product.walk) && product.walk.step == product.c));
}

/// Rows [row, row + n). Narrow rows are only made floats and used as they lie: what a tile reads beyond its columns
/// ends up in sums that nobody wants. Wide ones are packed, so that a tile's numbers lie together.
template <int Rows, class T>
FilterBlock load_block(const FilterProduct& product, std::int64_t row, int n, const FilterScratch& scratch) {
  if (is_narrow(product)) {
    unpack(as<T>(product.dy) + row * product.k, std::int64_t{n} * product.k, scratch.heights);
    if (product.walk.windows != nullptr) {
      load_windows(*product.walk.windows, as<T>(product.x), row, n, scratch.panels);
    } else {
      unpack(as<T>(product.x) + row * product.c, std::int64_t{n} * product.c, scratch.panels);
    }
    return {n, scratch.heights, Rows, product.k, scratch.panels, 1, product.c};
  }
  pack_columns<T>(product, row, n, scratch.panels);
  pack_heights<Rows, T>(product, row, n, scratch.heights);
  return {n, scratch.heights, tile_step<Rows>, Rows, scratch.panels, filter_rows, 0};
}

/// The rows [first, end) of a shard, and how many are taken at a time.
struct FilterRows {
  std::int64_t first, end, step;
};

THAW_SIMD_INLINE FilterRows rows_of_shard(const FilterProduct& product, std::size_t shard) {
  const auto count = static_cast<std::int64_t>(product.shards);
  const auto i = static_cast<std::int64_t>(shard);
  const std::int64_t first = product.rows * i / count;
  const std::int64_t end = product.rows * (i + 1) / count;
  // Narrow blocks fit L1, about 32 KiB.
  const std::int64_t most_rows =
      is_narrow(product) ? least<std::int64_t>(filter_rows, 8192 / (product.c + product.k)) : filter_rows;
  const std::int64_t blocks = ceil_div(end - first, most_rows);
  return {first, end, blocks == 0 ? 1 : ceil_div(end - first, blocks)};
}

template <int Rows, class T>
void filter_shard(const FilterProduct& product, std::size_t shard, void* scratch_block) {
  const FilterScratch scratch = filter_scratch(product, scratch_block, shard);
  const FilterRows rows = rows_of_shard(product, shard);
  const std::int64_t tiles = ceil_div(product.k, Rows) * ceil_div(product.c, panel_columns);
  for (int i = 0; i < product.k + Rows; ++i) scratch.bias[i] = 0;
  for (std::int64_t row = rows.first; row < rows.end; row += rows.step) {
    const int n = static_cast<int>(least(rows.step, rows.end - row));
    const FilterBlock block = load_block<Rows, T>(product, row, n, scratch);
    // The rows of the next block, where they fit L2 beside this one and lie together.
    const bool fits = product.c + product.k <= ahead_columns && is_even(product.walk);
    const std::int64_t next = fits ? least(rows.step, rows.end - row - n) * static_cast<std::int64_t>(sizeof(T)) : 0;
    const Ahead x_ahead(as<T>(product.x) + (row + n) * product.c, next * product.c, tiles);
    const Ahead dy_ahead(as<T>(product.dy) + (row + n) * product.k, next * product.k, tiles);
    if (row == rows.first) {
      multiply_block<Rows, true>(product, block, scratch.sums, x_ahead, dy_ahead);
    } else {
      multiply_block<Rows, false>(product, block, scratch.sums, x_ahead, dy_ahead);
    }
    if (product.dbias != nullptr) add_bias<Rows>(product, block, scratch.bias);
  }
}

/// What a step of all tiles costs, about: a step of a tile costs more than its multiplications, and a panel of one
/// vector waits for the broadcasts.
THAW_SIMD_INLINE std::int64_t filter_cost(int c, int k) {
  const int height = tile_height(k);
  const int last = c % panel_columns;
  const int narrow = last != 0 && last <= vector_floats ? vector_floats + vector_floats / 8 : 0;
  return ceil_div(k, height) * (height + 2) * (round_up(c - (narrow != 0 ? last : 0), panel_columns) + narrow);
}

/// Whether dw^T = x^T dy is the faster product.
THAW_SIMD_INLINE bool is_better_turned(const FilterProduct& product) {
  if (product.dbias != nullptr || !is_even(product.walk) || product.walk.step != product.c) return false;
  const bool is_wide = product.c >= 64 && product.c < product.k;
  return is_wide || 11 * filter_cost(product.k, product.c) < 10 * filter_cost(product.c, product.k);
}

/// Adds the shards' sums up in their order; a shard without rows is left out. Turned: what was summed is dw^T.
void add_shards(const FilterProduct& product, void* scratch_block, bool turned) {
  const std::int64_t step = ceil_div(product.c, panel_columns) * panel_columns;
  constexpr int block = 16;
  alignas(64) double bias[block];
#pragma omp parallel for schedule(static) private(bias)
  for (int first = 0; first < product.k; first += block) {
    const int rows = least(block, product.k - first);
    float* total = nullptr;
    for (double& value : bias) value = 0;
    for (std::size_t shard = 0; shard < product.shards; ++shard) {
      const FilterRows cut = rows_of_shard(product, shard);
      if (cut.first == cut.end) continue;
      const FilterScratch scratch = filter_scratch(product, scratch_block, shard);
      float* const from = scratch.sums + first * step;
      if (total == nullptr) {
        total = from;
      } else {
        for (std::int64_t i = 0; i < rows * step; ++i) total[i] += from[i];
      }
      for (int i = 0; i < rows; ++i) bias[i] += scratch.bias[first + i];
    }
    for (int i = 0; i < rows; ++i) {
      if (product.dbias != nullptr) product.dbias[first + i] = static_cast<float>(bias[i]);
    }
    if (turned) {
      for (std::int64_t c = 0; c < product.c; ++c) {
        for (int i = 0; i < rows; ++i) product.dw[c * product.k + first + i] = total[i * step + c];
      }
    } else {
      for (int i = 0; i < rows; ++i) {
        for (int c = 0; c < product.c; ++c) product.dw[std::int64_t{first + i} * product.c + c] = total[i * step + c];
      }
    }
  }
}

/// `scratch`: `filter_product_scratch_bytes` for each shard.
void filter_product(const FilterProduct& wanted, void* scratch) {
  FilterProduct product = wanted;
  const bool turned = is_better_turned(wanted);
  if (turned) {
    product.c = wanted.k;
    product.k = wanted.c;
    product.x = wanted.dy;
    product.dy = wanted.x;
    product.walk.step = product.c;
  }
  const auto shards = static_cast<std::int64_t>(product.shards);
  with_activation_type(product.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    with_tile_height(product.k, [&](auto rows) {
#pragma omp parallel for schedule(static, 1)
      for (std::int64_t shard = 0; shard < shards; ++shard) {
        filter_shard<rows.value, T>(product, static_cast<std::size_t>(shard), scratch);
      }
    });
  });
  add_shards(product, scratch, turned);
}

THAW_SIMD_END
