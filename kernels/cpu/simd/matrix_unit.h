#pragma once

#include <cstddef>

#include "kernels/cpu/simd/product.h"

namespace thaw {

/// Matrix products of bf16 rows on a processor's matrix unit (AMX): products are exact, sums are f32. A tile's sums get
/// bias, residual, activation and rounding while the tile is in L1, and the rows of the next one are fetched meanwhile.
struct MatrixUnit {
  /// `panels`: matrix_unit_panel_bytes(depth, columns) bytes; b is rounded to bf16. One of the source's steps is 1.
  void (*pack_panels)(const PanelSource& source, void* panels);
  /// `product.panels`: of `pack_panels` above; bf16 only, dense or strided rows. `scratch`: matrix_unit_scratch_bytes
  /// for each OpenMP thread, aligned to 64 bytes.
  void (*row_product)(const RowProduct& product, void* scratch);
  /// bf16 only; windows of at most `widest_unit_window` numbers a line. `scratch`: matrix_unit_filter_scratch_bytes for
  /// each shard, aligned to 64 bytes.
  void (*filter_product)(const FilterProduct& product, void* scratch);
};

/// The matrix unit of this processor; null where it has none, or the system keeps it from the process. The first call
/// asks the system for it.
const MatrixUnit* matrix_unit();

namespace simd {

/// Rows and columns of y that are computed together: two by two tiles of 16.
constexpr int unit_rows = 32;
constexpr int unit_columns = 32;
/// Rows that a filter product packs at a time, and numbers of a line of the windows that it takes.
constexpr int unit_chunk = 256;
constexpr int widest_unit_window = 32;
/// Blocks of rows that share a panel of a filter too large to stay in L2 beside the rows.
constexpr int most_unit_group = 4;

THAW_SIMD_INLINE int unit_group(int depth, int columns) {
  return std::int64_t{depth} * columns > (std::int64_t{1} << 18) ? most_unit_group : 1;
}

/// Depth of a tile: the largest even divisor of `depth` up to 32, so that no tile reaches beyond a row; 0 where there
/// is none.
THAW_SIMD_INLINE int unit_depth(int depth) {
  for (int block = 32; block > 0; block -= 2) {
    if (depth % block == 0) return block;
  }
  return 0;
}

}  // namespace simd

THAW_SIMD_INLINE std::size_t matrix_unit_panel_bytes(int depth, int columns) {
  return std::size_t{2} * static_cast<std::size_t>(depth) *
         static_cast<std::size_t>(simd::round_up(columns, simd::unit_columns));
}

/// In bytes for each thread.
THAW_SIMD_INLINE std::size_t matrix_unit_scratch_bytes(int depth) {
  return std::size_t{2} * static_cast<std::size_t>(depth) * simd::unit_rows * simd::most_unit_group;
}

/// In bytes for each shard; the same for c and k exchanged.
THAW_SIMD_INLINE std::size_t matrix_unit_filter_scratch_bytes(int c, int k) {
  const auto wide = static_cast<std::size_t>(simd::round_up(c, simd::unit_columns));
  const auto high = static_cast<std::size_t>(simd::round_up(k, simd::unit_columns));
  const std::size_t packed = std::size_t{2} * simd::unit_chunk * (wide + high);
  const std::size_t bias = 3 * sizeof(float) * (wide > high ? wide : high);
  return sizeof(float) * wide * high + packed + bias;
}

}  // namespace thaw
