#pragma once

#include <omp.h>

#include "kernels/cpu/simd/matrix_unit_tiles.h"

THAW_SIMD_BEGIN

/// What is fetched while sums are computed.
struct Fetches {
  Ahead<false> a, residual;
  Ahead<true> y;
};

/// A block of rows of the product: `rows` of them are wanted, and `a` has 32, `step` numbers apart.
struct RowBlock {
  const Half* a;
  std::int64_t step;
  std::int64_t first;
  int rows;
};

/// The sums of 32 rows and the 32 columns (Wide; else 16) from `column` on, with the bias in them: (32, 32) in `sums`.
template <bool Wide>
THAW_SIMD_INLINE void multiply_block(const RowProduct& product, const RowBlock& block, int depth, const Half* b,
                                     const float* bias, Fetches& fetches, float* sums) {
  constexpr long b_row = 64;
  constexpr long sums_row = unit_columns * sizeof(float);
  const long a_row = block.step * static_cast<long>(sizeof(Half));
  const Half* const upper = block.a;
  const Half* const lower = block.a + 16 * block.step;
  publish();
  // A stride of 0 gives every row the bias.
  _tile_loadd(0, bias, 0);
  _tile_loadd(2, bias, 0);
  if constexpr (Wide) {
    _tile_loadd(1, bias + 16, 0);
    _tile_loadd(3, bias + 16, 0);
  }
  for (int k = 0; k < product.depth; k += depth, b += std::int64_t{depth} * unit_columns) {
    _tile_loadd(6, b, b_row);
    _tile_loadd(4, upper + k, a_row);
    _tile_dpbf16ps(0, 4, 6);
    fetches.a.fetch();
    if constexpr (Wide) {
      _tile_loadd(7, b + std::int64_t{depth} * 16, b_row);
      _tile_dpbf16ps(1, 4, 7);
    }
    fetches.residual.fetch();
    _tile_loadd(5, lower + k, a_row);
    _tile_dpbf16ps(2, 5, 6);
    fetches.y.fetch();
    if constexpr (Wide) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, sums_row);
  _tile_stored(2, sums + 16 * unit_columns, sums_row);
  if constexpr (Wide) {
    _tile_stored(1, sums + 16, sums_row);
    _tile_stored(3, sums + 16 * unit_columns + 16, sums_row);
  }
}

/// Residual, activation and rounding of a block's sums. Stores past the caches would be faster, but for the call that
/// reads y next they cost more than that.
template <class A>
THAW_SIMD_INLINE void finish_block(const RowProduct& product, const RowBlock& block, int column, const float* sums) {
  const int used = least(unit_columns, product.columns - column);
  const auto mask = static_cast<__mmask32>((std::uint64_t{1} << used) - 1);
  const std::int64_t at = block.first * product.columns + column;
  const Half* residual = product.residual != nullptr ? as<Half>(product.residual) + at : nullptr;
  Half* y = as<Half>(product.y) + at;
  for (int i = 0; i < block.rows; ++i, sums += unit_columns, y += product.columns) {
    vec<16> value[2];
    load_channels<16>(sums, value);
    if (residual != nullptr) {
      alignas(64) Half row[unit_columns];
      const __m512i before = _mm512_maskz_loadu_epi16(mask, residual);
      __builtin_memcpy(row, &before, sizeof(row));
      vec<16> more[2];
      load_channels<16>(static_cast<const Half*>(row), more);
      unrolled<2>([&](auto v) THAW_LAMBDA_INLINE { value[v.value] += more[v.value]; });
      residual += product.columns;
    }
    unrolled<2>([&](auto v) THAW_LAMBDA_INLINE { value[v.value] = A::value(value[v.value]); });
    const auto rounded = (__m512i)_mm512_cvtne2ps_pbh((__m512)value[1], (__m512)value[0]);
    _mm512_mask_storeu_epi16(y, mask, rounded);
  }
}

/// Rows [first, first + 32) where they lie, or gathered into `scratch`, with zeros for those that do not exist.
THAW_SIMD_INLINE RowBlock block_at(const RowProduct& product, std::int64_t first, Half* scratch) {
  const int rows = static_cast<int>(least<std::int64_t>(unit_rows, product.rows - first));
  const auto* a = as<Half>(product.a);
  if (rows == unit_rows && is_even(product.walk)) {
    return {a + first * product.walk.step, product.walk.step, first, rows};
  }
  const auto row_bytes = static_cast<std::size_t>(product.depth) * sizeof(Half);
  for (int i = 0; i < unit_rows; ++i) {
    Half* to = scratch + std::int64_t{i} * product.depth;
    if (i < rows) {
      __builtin_memcpy(to, a + row_offset(product.walk, first + i), row_bytes);
    } else {
      __builtin_memset(to, 0, row_bytes);
    }
  }
  return {scratch, product.depth, first, rows};
}

/// Rows [row, end) and the columns [column, last), which begin at a panel. A block of rows goes through all panels
/// while the lines of the next block arrive; or, where the filter is large, some blocks go through a panel together,
/// and the lines of the next panel arrive.
template <class A>
void multiply_rows(const RowProduct& product, std::int64_t row, std::int64_t end, int column, int last, Half* scratch) {
  alignas(64) float sums[2][unit_rows * unit_columns] = {};
  alignas(64) float bias[unit_columns];
  const int depth = unit_depth(product.depth);
  const int group = unit_group(product.depth, product.columns);
  const std::int64_t panel_steps = product.depth / depth;
  const std::int64_t steps = panel_steps * ceil_div(last - column, unit_columns);
  const auto lines = [](std::int64_t all, std::int64_t times)
                         THAW_LAMBDA_INLINE { return static_cast<int>(ceil_div(all, times)); };
  const auto* residual = as<Half>(product.residual);
  const auto* y = as<Half>(product.y);
  const std::int64_t row_bytes = std::int64_t{product.columns} * 2;
  int turn = 0;
  for (std::int64_t following = 0; row < end; row = following) {
    following = least(row + std::int64_t{group} * unit_rows, end);
    RowBlock blocks[most_unit_group];
    int count = 0;
    for (std::int64_t first = row; first < following; first += unit_rows, ++count) {
      blocks[count] = block_at(product, first, scratch + std::int64_t{count} * unit_rows * product.depth);
    }
    Fetches fetches;
    if (is_even(product.walk)) {
      fetches.a = {as<char>(as<Half>(product.a) + following * product.walk.step), 64, lines(product.depth, steps)};
    }
    if (group == 1) {
      const std::int64_t next = following * product.columns;
      if (residual != nullptr) fetches.residual = {as<char>(residual + next), 64, lines(product.columns, steps)};
      fetches.y = {as<char>(y + next), 64, lines(product.columns, steps)};
    }
    for (int j = column; j < last; j += unit_columns) {
      const Half* b = as<Half>(product.panels) + std::int64_t{j} * product.depth;
      const int used = least(unit_columns, last - j);
      for (int i = 0; i < unit_columns; ++i) bias[i] = product.bias != nullptr && i < used ? product.bias[j + i] : 0.0F;
      for (int i = 0; i < count; ++i) {
        if (group > 1) {
          const std::int64_t next = blocks[i].first * product.columns + j + unit_columns;
          const int rows = lines(unit_rows, panel_steps);
          if (residual != nullptr) fetches.residual = {as<char>(residual + next), row_bytes, rows};
          fetches.y = {as<char>(y + next), row_bytes, rows};
        }
        float* out = sums[turn++ % 2];
        if (used > 16) {
          multiply_block<true>(product, blocks[i], depth, b, bias, fetches, out);
        } else {
          multiply_block<false>(product, blocks[i], depth, b, bias, fetches, out);
        }
        finish_block<A>(product, blocks[i], j, out);
      }
    }
  }
}

void row_product(const RowProduct& product, void* scratch) {
  const std::int64_t blocks = ceil_div(product.rows, unit_rows);
  const auto scratch_step = static_cast<std::int64_t>(matrix_unit_scratch_bytes(product.depth) / sizeof(Half));
  const std::int64_t panels = ceil_div(product.columns, unit_columns);
  const bool few = blocks < 2 * omp_get_max_threads();
  pointwise::with_activation(product.act, [&](auto act) {
    using A = decltype(act);
#pragma omp parallel
    {
      const std::int64_t thread = omp_get_thread_num();
      const std::int64_t threads = omp_get_num_threads();
      // Of few rows every thread takes all, and a share of the columns.
      const auto share = [&](std::int64_t all, std::int64_t i, bool whole)
                             THAW_LAMBDA_INLINE { return whole ? (i == thread ? 0 : all) : all * i / threads; };
      const std::int64_t row = share(blocks, thread, few) * unit_rows;
      const std::int64_t end = least(share(blocks, thread + 1, few) * unit_rows, product.rows);
      const auto column = static_cast<int>(share(panels, thread, !few)) * unit_columns;
      const int last = least(static_cast<int>(share(panels, thread + 1, !few)) * unit_columns, product.columns);
      Half* own = as<Half>(scratch) + thread * scratch_step;
      if (row < end && column < last) {
        shape_tiles(unit_depth(product.depth));
        multiply_rows<A>(product, row, end, column, last, own);
        _tile_release();
      }
    }
  });
}

/// One tile of b, (depth / 2, 16 columns, 2), from `from` on, where columns lie side by side; zeros beyond the last.
THAW_SIMD_INLINE void pack_rows(const PanelSource& source, const float* from, int depth, int used, Half* to) {
  const auto mask = static_cast<__mmask16>((1U << used) - 1);
  const auto row = [mask](const float* numbers) THAW_LAMBDA_INLINE {
    const auto rounded = (Vector<16>::halves)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, numbers));
    return __builtin_convertvector(rounded, Vector<16>::bits);
  };
  for (int d = 0; d < depth; d += 2, from += 2 * source.depth_step, to += 32) {
    const Vector<16>::bits pairs = row(from) | row(from + source.depth_step) << 16;
    __builtin_memcpy(to, &pairs, sizeof(pairs));
  }
}

/// The same where the depth lies side by side.
THAW_SIMD_INLINE void pack_columns(const PanelSource& source, const float* from, int depth, int used, Half* to) {
  alignas(64) Half columns[16][32] = {};
  const auto low = static_cast<__mmask16>((1U << least(depth, 16)) - 1);
  const auto high = static_cast<__mmask16>((1U << most(depth - 16, 0)) - 1);
  for (int j = 0; j < used; ++j, from += source.column_step) {
    const __m512 first = _mm512_maskz_loadu_ps(low, from);
    const __m512 second = _mm512_maskz_loadu_ps(high, from + 16);
    _mm512_store_si512((__m512i*)columns[j], (__m512i)_mm512_cvtne2ps_pbh(second, first));
  }
  for (int d = 0; d < depth; d += 2) {
    for (int j = 0; j < 16; ++j, to += 2) __builtin_memcpy(to, &columns[j][d], 4);
  }
}

/// b in panels: panel by panel, step by step of `unit_depth`, two tiles of (depth / 2, 16 columns, 2).
void pack_panels(const PanelSource& source, void* panels) {
  const std::int64_t count = ceil_div(source.columns, unit_columns);
  const int depth = unit_depth(source.depth);
#pragma omp parallel for schedule(static) if (count > 1)
  for (std::int64_t panel = 0; panel < count; ++panel) {
    const int first = static_cast<int>(panel) * unit_columns;
    Half* to = as<Half>(panels) + std::int64_t{first} * source.depth;
    for (int k = 0; k < source.depth; k += depth) {
      for (int j = first; j < first + unit_columns; j += 16, to += std::int64_t{depth} * 16) {
        const int used = most(0, least(16, source.columns - j));
        const float* from = source.w + j * source.column_step + k * source.depth_step;
        if (source.column_step == 1) {
          pack_rows(source, from, depth, used, to);
        } else {
          pack_columns(source, from, depth, used, to);
        }
      }
    }
  }
}

THAW_SIMD_END
