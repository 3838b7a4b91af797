#pragma once

#include "kernels/cpu/simd/matrix_unit_tiles.h"

THAW_SIMD_BEGIN

// dw = dy^T x: the depth of the product is the rows, and a tile wants neighbouring rows of a column side by side. So
// some rows of x and dy are packed at a time, pairs of rows interleaved; the left operand's tiles are transposed
// besides.

/// An operand of a filter product, and where its packed tiles lie: (columns / 16, steps of 32 rows, 16 lines of 64
/// bytes).
struct UnitSide {
  const Half* from;
  int columns;
  RowWalk walk;
  Half* tiles;
  float* sums;  ///< of each column over the packed rows; null: not wanted
};

/// What a shard works with, and whether the left operand is x (else dy).
struct UnitFilter {
  UnitSide left, right;
  float* sums;   ///< (left columns, right columns), each in whole blocks of 32
  double* bias;  ///< one for each column of dy
};

using Bits16 = Vector<16>::bits;

/// Where pixel (n,p,q) of the output is, counted up without divisions.
struct OutputPixel {
  std::int64_t n;
  int p, q;
  int down, across;

  static OutputPixel at(std::int64_t i, int down, int across) {
    return {i / (std::int64_t{down} * across), static_cast<int>(i / across % down), static_cast<int>(i % across), down,
            across};
  }
  THAW_SIMD_INLINE void advance() {
    if (++q < across) return;
    q = 0;
    if (++p < down) return;
    p = 0;
    ++n;
  }
};

/// The numbers under a window of the filter, (R,S,C), zeros outside of the image.
THAW_SIMD_INLINE void gather_window(const ConvProblem& problem, const Half* x, const OutputPixel& pixel, Half* to) {
  const int left = pixel.q * problem.stride - problem.pad.left;
  const int top = pixel.p * problem.stride - problem.pad.top;
  const int width = problem.s * problem.c;
  const int skip = most(0, -left) * problem.c;
  const int end = least(problem.s, problem.w - left) * problem.c;
  const auto below = [](int n) THAW_LAMBDA_INLINE { return (std::uint64_t{1} << n) - 1; };
  const auto line = static_cast<__mmask32>(below(width));
  const auto inside = static_cast<__mmask32>(end > skip ? below(end) & ~below(skip) : 0);
  const Half* from = x + ((pixel.n * problem.h + top) * problem.w + left) * problem.c;
  for (int r = 0; r < problem.r; ++r, from += std::int64_t{problem.w} * problem.c, to += width) {
    const bool exists = top + r >= 0 && top + r < problem.h;
    const __m512i numbers = _mm512_maskz_loadu_epi16(exists ? inside : 0, from);
    _mm512_mask_storeu_epi16(to, line, numbers);
  }
}

/// Rows [first, first + 32) of a side: where each begins, null where there is none.
struct UnitRows {
  const Half* row[unit_rows];
  alignas(64) Half windows[unit_rows][widest_window];
};

THAW_SIMD_INLINE void find_rows(const UnitSide& side, std::int64_t first, int count, UnitRows& rows) {
  const RowWalk& walk = side.walk;
  const Half* dense = side.from + first * walk.step;
  const int across = walk.windows != nullptr ? out_width(*walk.windows) : static_cast<int>(walk.q);
  const int down = walk.windows != nullptr ? out_height(*walk.windows) : static_cast<int>(walk.p);
  OutputPixel pixel = {};
  if (!is_even(walk)) pixel = OutputPixel::at(first, down, across);
  for (int i = 0; i < unit_rows; ++i) {
    if (i >= count) {
      rows.row[i] = nullptr;
    } else if (walk.windows != nullptr) {
      gather_window(*walk.windows, side.from, pixel, rows.windows[i]);
      rows.row[i] = rows.windows[i];
      pixel.advance();
    } else if (!is_even(walk)) {
      rows.row[i] = side.from + pixel.n * walk.image + pixel.p * walk.line + pixel.q * walk.step;
      pixel.advance();
    } else {
      rows.row[i] = dense;
      dense += walk.step;
    }
  }
}

/// 16 columns of a row, widened; zeros beyond the mask.
THAW_SIMD_INLINE Bits16 load_halves(const Half* row, int column, __mmask16 mask) {
  const auto halves = (Vector<16>::halves)_mm256_maskz_loadu_epi16(row != nullptr ? mask : 0, row + column);
  return __builtin_convertvector(halves, Bits16);
}

/// Two vectors of 16: lanes j with bit `Step` from the one `Step` further down (Low) or up.
template <int Step, bool Low, int... J>
THAW_SIMD_INLINE Bits16 exchange(Bits16 a, Bits16 b, std::integer_sequence<int, J...>) {
  if constexpr (Low) return __builtin_shufflevector(a, b, ((J & Step) != 0 ? 16 + J - Step : J)...);
  return __builtin_shufflevector(a, b, ((J & Step) != 0 ? 16 + J : J + Step)...);
}

/// Swaps the halves of all 2 Step x 2 Step squares off the diagonal.
template <int Step>
THAW_SIMD_INLINE void transpose_step(Bits16 (&v)[16]) {
  using Lanes = std::make_integer_sequence<int, 16>;
  unrolled<16>([&](auto i) THAW_LAMBDA_INLINE {
    if constexpr ((i.value & Step) == 0) {
      const Bits16 a = v[i.value];
      const Bits16 b = v[i.value + Step];
      v[i.value] = exchange<Step, true>(a, b, Lanes{});
      v[i.value + Step] = exchange<Step, false>(a, b, Lanes{});
    }
  });
}

THAW_SIMD_INLINE void transpose(Bits16 (&v)[16]) {
  transpose_step<8>(v);
  transpose_step<4>(v);
  transpose_step<2>(v);
  transpose_step<1>(v);
}

/// Packs `count` rows from `first` on as one step of 32 of every tile: line p holds rows 2p and 2p + 1 of 16 columns,
/// or, Left, line m all rows of column m.
template <bool Left, bool Summed>
THAW_SIMD_INLINE void pack_step(const UnitSide& side, std::int64_t first, int count, int step, int steps,
                                Ahead<false>& ahead) {
  UnitRows rows;
  find_rows(side, first, count, rows);
  for (int tile = 0; tile * 16 < side.columns; ++tile) {
    const int column = tile * 16;
    const auto mask = static_cast<__mmask16>((1U << least(16, side.columns - column)) - 1);
    ahead.fetch();
    vec<16> sum = {};
    Bits16 v[16];
    unrolled<16>([&](auto p) THAW_LAMBDA_INLINE {
      const Bits16 even = load_halves(rows.row[2 * p.value], column, mask) << 16;
      const Bits16 odd = load_halves(rows.row[2 * p.value + 1], column, mask) << 16;
      v[p.value] = even >> 16 | odd;
      if constexpr (Summed) sum += (vec<16>)even + (vec<16>)odd;
    });
    if constexpr (Left) transpose(v);
    Half* to = side.tiles + (std::int64_t{tile} * steps + step) * 512;
    unrolled<16>([&](auto p) THAW_LAMBDA_INLINE { __builtin_memcpy(to + p.value * 32, &v[p.value], 64); });
    if constexpr (Summed) {
      store_vector<16>(side.sums + column, load_vector<16>(side.sums + column) + sum);
    }
  }
}

template <bool Left>
void pack_side(const UnitSide& side, std::int64_t row, std::int64_t end, Ahead<false> ahead) {
  const int steps = static_cast<int>(ceil_div(end - row, unit_rows));
  for (int step = 0; step < steps; ++step, row += unit_rows) {
    const int count = static_cast<int>(least<std::int64_t>(unit_rows, end - row));
    if (side.sums != nullptr) {
      pack_step<Left, true>(side, row, count, step, steps, ahead);
    } else {
      pack_step<Left, false>(side, row, count, step, steps, ahead);
    }
  }
}

/// What of a block of 2 x 2 tiles there is.
template <bool High, bool Wide>
struct TilesOf {
  static constexpr bool high = High;
  static constexpr bool wide = Wide;
};

template <class F>
THAW_SIMD_INLINE void with_tiles(int down, int across, const F& f) {
  if (down > 16) {
    across > 16 ? f(TilesOf<true, true>{}) : f(TilesOf<true, false>{});
  } else {
    across > 16 ? f(TilesOf<false, true>{}) : f(TilesOf<false, false>{});
  }
}

/// The 32 x 32 sums at `sums`, plus (Fresh: or just) the packed rows' products.
template <class Tiles, bool Fresh>
THAW_SIMD_INLINE void multiply_packed(const Half* a, const Half* b, int steps, float* sums, std::int64_t width,
                                      Ahead<false>& left, Ahead<false>& right) {
  const long row = width * static_cast<long>(sizeof(float));
  float* const lower = sums + 16 * width;
  const std::int64_t next = std::int64_t{steps} * 512;
  publish();
  if constexpr (Fresh) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, sums, row);
    if constexpr (Tiles::wide) _tile_loadd(1, sums + 16, row);
    if constexpr (Tiles::high) _tile_loadd(2, lower, row);
    if constexpr (Tiles::high && Tiles::wide) _tile_loadd(3, lower + 16, row);
  }
  for (int step = 0; step < steps; ++step, a += 512, b += 512) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    left.fetch();
    if constexpr (Tiles::wide) {
      _tile_loadd(7, b + next, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    right.fetch();
    if constexpr (Tiles::high) {
      _tile_loadd(5, a + next, 64);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (Tiles::wide) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, row);
  if constexpr (Tiles::wide) _tile_stored(1, sums + 16, row);
  if constexpr (Tiles::high) _tile_stored(2, lower, row);
  if constexpr (Tiles::high && Tiles::wide) _tile_stored(3, lower + 16, row);
}

/// Whether x is the left operand: it is then the narrower one, and fewer numbers are transposed, though dw in the end
/// is.
THAW_SIMD_INLINE bool is_turned(const FilterProduct& product) {
  return product.walk.windows == nullptr && product.c < product.k &&
         product.rows * (product.k - product.c) / 8 > std::int64_t{product.c} * product.k;
}

THAW_SIMD_INLINE UnitFilter unit_filter(const FilterProduct& product, void* scratch, std::size_t shard) {
  const bool turned = is_turned(product);
  const std::int64_t across = round_up(turned ? product.k : product.c, unit_columns);
  const std::int64_t down = round_up(turned ? product.c : product.k, unit_columns);
  char* at = as<char>(scratch) + shard * matrix_unit_filter_scratch_bytes(product.c, product.k);
  const auto take = [&at](std::int64_t bytes) THAW_LAMBDA_INLINE {
    char* const taken = at;
    at += bytes;
    return static_cast<void*>(taken);
  };
  UnitFilter out;
  out.sums = as<float>(take(across * down * 4));
  out.left.tiles = as<Half>(take(down * unit_chunk * 2));
  out.right.tiles = as<Half>(take(across * unit_chunk * 2));
  const std::int64_t bias = turned ? across : down;
  out.bias = as<double>(take(bias * 8));
  float* chunk_sums = product.dbias != nullptr ? as<float>(take(bias * 4)) : nullptr;
  UnitSide& dy = turned ? out.right : out.left;
  UnitSide& x = turned ? out.left : out.right;
  dy = {as<Half>(product.dy), product.k, {1, product.rows, 0, 0, product.k, nullptr}, dy.tiles, chunk_sums};
  x = {as<Half>(product.x), product.c, product.walk, x.tiles, nullptr};
  return out;
}

/// The rows of a side that follow, asked for in `times` turns, where they lie together.
THAW_SIMD_INLINE Ahead<false> ahead_of(const UnitSide& side, std::int64_t row, std::int64_t times) {
  if (!is_even(side.walk)) return {};
  const std::int64_t lines = ceil_div(std::int64_t{unit_chunk} * side.columns, std::int64_t{32} * times);
  return {as<char>(side.from + row * side.walk.step), 64, static_cast<int>(lines)};
}

void unit_filter_shard(const FilterProduct& product, std::size_t shard, void* scratch) {
  const UnitFilter filter = unit_filter(product, scratch, shard);
  const UnitSide& dy = filter.left.sums != nullptr ? filter.left : filter.right;
  const auto count = static_cast<std::int64_t>(product.shards);
  const auto i = static_cast<std::int64_t>(shard);
  std::int64_t row = product.rows * i / count;
  const std::int64_t end = product.rows * (i + 1) / count;
  const int down = round_up(filter.left.columns, unit_columns);
  const int across = round_up(filter.right.columns, unit_columns);
  // Packing takes longest of small filters, multiplying of large ones; meanwhile the next rows arrive, where they fit
  // L2.
  const bool while_packing = std::int64_t{down} * across <= 4 * unit_columns * unit_columns;
  const bool while_multiplying = !while_packing && product.c + product.k <= 1024;
  if (product.dbias != nullptr) {
    for (int j = 0; j < product.k; ++j) filter.bias[j] = 0;
  }
  shape_tiles(unit_rows);
  bool fresh = true;
  for (std::int64_t next = 0; row < end; row = next, fresh = false) {
    next = least<std::int64_t>(row + unit_chunk, end);
    if (product.dbias != nullptr) {
      for (int j = 0; j < round_up(product.k, unit_columns); ++j) dy.sums[j] = 0;
    }
    const int steps = static_cast<int>(ceil_div(next - row, unit_rows));
    const auto packing = [&](const UnitSide& side) THAW_LAMBDA_INLINE {
      return while_packing ? ahead_of(side, next, steps * ceil_div(side.columns, 16)) : Ahead<false>{};
    };
    pack_side<true>(filter.left, row, next, packing(filter.left));
    pack_side<false>(filter.right, row, next, packing(filter.right));
    if (product.dbias != nullptr) {
      for (int j = 0; j < product.k; ++j) filter.bias[j] += static_cast<double>(dy.sums[j]);
    }
    Ahead<false> left;
    Ahead<false> right;
    if (while_multiplying) {
      const std::int64_t times = std::int64_t{steps} * (down / unit_columns) * (across / unit_columns);
      left = ahead_of(filter.left, next, times);
      right = ahead_of(filter.right, next, times);
    }
    for (int m = 0; m < down; m += unit_columns) {
      const Half* a = filter.left.tiles + std::int64_t{m} * steps * 32;
      for (int n = 0; n < across; n += unit_columns) {
        const Half* b = filter.right.tiles + std::int64_t{n} * steps * 32;
        float* sums = filter.sums + std::int64_t{m} * across + n;
        with_tiles(filter.left.columns - m, filter.right.columns - n, [&](auto tiles) THAW_LAMBDA_INLINE {
          using Tiles = decltype(tiles);
          if (fresh) {
            multiply_packed<Tiles, true>(a, b, steps, sums, across, left, right);
          } else {
            multiply_packed<Tiles, false>(a, b, steps, sums, across, left, right);
          }
        });
      }
    }
  }
  _tile_release();
}

/// dw and dbias: the shards' sums added in their order; a shard without rows is left out.
void add_unit_shards(const FilterProduct& product, void* scratch) {
  const bool turned = is_turned(product);
  const auto shards = static_cast<std::int64_t>(product.shards);
  const auto has_rows = [&](std::int64_t i)
                            THAW_LAMBDA_INLINE { return product.rows * (i + 1) / shards > product.rows * i / shards; };
  const int down = turned ? product.c : product.k;
  const int columns = turned ? product.k : product.c;
  const std::int64_t across = round_up(columns, unit_columns);
  constexpr int block = 16;
#pragma omp parallel for schedule(static)
  for (int first = 0; first < down; first += block) {
    const int rows = least(block, down - first);
    float* total = nullptr;
    for (std::int64_t i = 0; i < shards; ++i) {
      if (!has_rows(i)) continue;
      float* from = unit_filter(product, scratch, static_cast<std::size_t>(i)).sums + first * across;
      if (total == nullptr) {
        total = from;
        continue;
      }
      for (std::int64_t j = 0; j < rows * across; ++j) total[j] += from[j];
    }
    if (turned) {
      for (std::int64_t k = 0; k < columns; ++k) {
        for (int i = 0; i < rows; ++i) product.dw[k * down + first + i] = total[i * across + k];
      }
    } else {
      for (std::int64_t i = 0; i < rows; ++i) {
        for (int c = 0; c < columns; ++c) product.dw[(first + i) * columns + c] = total[i * across + c];
      }
    }
  }
  if (product.dbias == nullptr) return;
  for (int j = 0; j < product.k; ++j) {
    double sum = 0;
    for (std::int64_t i = 0; i < shards; ++i) {
      if (has_rows(i)) sum += unit_filter(product, scratch, static_cast<std::size_t>(i)).bias[j];
    }
    product.dbias[j] = static_cast<float>(sum);
  }
}

void filter_product(const FilterProduct& product, void* scratch) {
  const auto shards = static_cast<std::int64_t>(product.shards);
#pragma omp parallel for schedule(static, 1)
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    unit_filter_shard(product, static_cast<std::size_t>(shard), scratch);
  }
  add_unit_shards(product, scratch);
}

THAW_SIMD_END
