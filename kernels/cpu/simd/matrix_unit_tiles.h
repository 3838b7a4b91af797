#pragma once

#include "kernels/cpu/simd/matrix_unit.h"
#include "kernels/cpu/simd/vectors.h"

THAW_SIMD_BEGIN

// Tiles 0 to 3 are the sums of 2 x 2 blocks of 16 x 16 outputs, 4 and 5 hold 16 rows of a each, 6 and 7 16 columns of
// b.

/// What LDTILECFG reads: bytes of a row and rows of each tile.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

/// The compiler does not know what the tile instructions read: what was written before is in memory behind this.
THAW_SIMD_INLINE void publish() { asm volatile("" ::: "memory"); }

/// Shapes the calling thread's tiles for steps of `depth` numbers.
void shape_tiles(int depth) {
  TileShapes shapes;
  for (int i = 0; i < 8; ++i) {
    const bool a = i == 4 || i == 5;
    const bool b = i >= 6;
    shapes.row_bytes[i] = static_cast<std::uint16_t>(a ? 2 * depth : 64);
    shapes.rows[i] = static_cast<std::uint8_t>(b ? depth / 2 : 16);
  }
  publish();
  _tile_loadconfig(&shapes);
}

/// Lines of 64 bytes that are asked for a few at a time, because a later tile will read or write them.
template <bool Written>
struct Ahead {
  const char* at = nullptr;
  std::int64_t step = 64;  ///< bytes from one to the next
  int lines = 0;           ///< asked for at a time

  THAW_SIMD_INLINE void fetch() {
    for (int i = 0; i < lines; ++i, at += step) __builtin_prefetch(at, Written ? 1 : 0, 2);
  }
};

THAW_SIMD_END
