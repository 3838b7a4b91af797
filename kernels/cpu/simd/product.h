#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cpu/simd/plan.h"

namespace thaw {

/// Where the rows of a matrix lie that is read out of an NHWC tensor: row (n,p,q) begins at
/// n*image + p*line + q*step elements, and rows are counted with q fastest.
struct RowWalk {
  std::int64_t p = 1, q = 1;
  std::int64_t image = 0, line = 0, step = 0;
  /// Set: a row is the window of pixels under a filter, (R,S,C) with zeros outside the image, of this convolution.
  const ConvProblem* windows = nullptr;

  /// `rows` rows of `c` elements, one behind the other.
  static RowWalk dense(std::int64_t rows, int c) { return {1, rows, 0, 0, c, nullptr}; }
  /// The pixels that a 1x1 convolution without padding reads.
  static RowWalk strided(const ConvProblem& problem) {
    const std::int64_t c = problem.c;
    const std::int64_t line = problem.w * c;
    return {problem.p(), problem.q(), problem.h * line, problem.stride * line, problem.stride * c, nullptr};
  }
  /// The windows of a convolution of few channels; `problem` must stay. A window has at most `widest_window` numbers.
  static RowWalk windows_of(const ConvProblem& problem) { return {problem.p(), problem.q(), 0, 0, 0, &problem}; }
};

/// y (rows,columns) = act(a (rows,depth) b (depth,columns) + bias + residual), computed in f32 whatever the type of a,
/// residual and y. Every element is one sum in the order of depth.
struct RowProduct {
  std::int64_t rows = 0;
  int depth = 0, columns = 0;
  Dtype dtype = Dtype::f32;
  RowWalk walk;
  const void* a = nullptr;
  const void* panels = nullptr;    ///< b as `pack_panels` leaves it
  const float* bias = nullptr;     ///< (columns) or null
  const void* residual = nullptr;  ///< (rows,columns) or null
  Act act = Act::linear;
  void* y = nullptr;
};

/// dw (k,c) = dy^T (k,rows) x (rows,c), and dbias (k) = sums of dy's columns where not null. The rows are cut into
/// `shards` pieces whose sums are added in their order.
struct FilterProduct {
  std::int64_t rows = 0;
  int c = 0, k = 0;
  Dtype dtype = Dtype::f32;
  RowWalk walk;  ///< of x; dy is dense
  const void* x = nullptr;
  const void* dy = nullptr;
  float* dw = nullptr;
  float* dbias = nullptr;
  std::size_t shards = 1;
};

/// b (depth,columns) for `pack_panels`: element (d,j) is w[d * depth_step + j * column_step].
struct PanelSource {
  const float* w = nullptr;
  int depth = 0, columns = 0;
  std::int64_t depth_step = 0, column_step = 0;
};

/// The matrix products of one instruction set.
struct ProductKernels {
  /// `panels`: panel_floats(depth, columns) floats.
  void (*pack_panels)(const PanelSource& source, float* panels);
  /// `scratch`: row_product_scratch_bytes(depth) for each OpenMP thread.
  void (*row_product)(const RowProduct& product, void* scratch);
  /// `scratch`: filter_product_scratch_bytes(c, k) for each shard.
  void (*filter_product)(const FilterProduct& product, void* scratch);

  // Winograd's 3x3 convolutions in tiles of m x m outputs, m 2 or 4: stride 1, one group, channels in whole lines.
  /// The transformed filter: winograd_filter_floats(m, depth, columns) floats. Turned: of the input gradient, whose
  /// depth is K and whose columns are C.
  void (*winograd_filter)(int m, const ConvProblem& problem, const float* w, bool turned, float* panels);
  /// `scratch`: winograd_scratch_bytes(m, c, k) for each OpenMP thread. `args.w` is not read.
  void (*winograd_forward)(int m, const ConvProblem& problem, const float* panels, const ConvForward& args,
                           void* scratch);
  /// `scratch`: winograd_filter_scratch(m, problem).bytes().
  void (*winograd_filter_gradient)(int m, const ConvProblem& problem, const void* x, const void* dy, float* dw,
                                   void* scratch);
};

namespace simd {

/// Most numbers of a window that is a row of a product.
constexpr int widest_window = 256;
/// Floats of a row that lie together in a packed tile.
constexpr int line_depth = 16;
/// Most columns of a panel, over all instruction sets.
constexpr int widest_panel = 32;
/// Most rows of a tile, over all instruction sets, and tiles of a block.
constexpr int most_tile_rows = 14;
constexpr int block_tiles = 8;
/// Elements of b up to which it stays in L1 beside a tile.
constexpr std::int64_t small_panels = 20000;
/// Rows of dy and x that a filter product packs at a time.
constexpr int filter_rows = 112;
/// Columns of dy and x together up to which a filter product takes the rows as they lie.
constexpr int narrow_columns = 224;
/// Columns of dy and x together up to which the next rows are fetched ahead.
constexpr int ahead_columns = 640;

THAW_SIMD_INLINE int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Whether all rows are `walk.step` apart, from image to image too.
THAW_SIMD_INLINE bool is_even(const RowWalk& walk) { return walk.image == 0 && walk.windows == nullptr; }

/// Offset of row i in elements; not of windows.
THAW_SIMD_INLINE std::int64_t row_offset(const RowWalk& walk, std::int64_t i) {
  if (is_even(walk)) return i * walk.step;
  const std::int64_t line = i / walk.q;
  return (line / walk.p) * walk.image + (line % walk.p) * walk.line + (i % walk.q) * walk.step;
}

}  // namespace simd

/// Floats that `pack_panels` writes.
THAW_SIMD_INLINE std::size_t panel_floats(int depth, int columns) {
  return static_cast<std::size_t>(depth) * static_cast<std::size_t>(simd::round_up(columns, simd::widest_panel));
}

/// Scratch of a row product, in bytes for each thread.
THAW_SIMD_INLINE std::size_t row_product_scratch_bytes(int depth) {
  return sizeof(float) * simd::block_tiles * simd::most_tile_rows *
         static_cast<std::size_t>(simd::round_up(depth, simd::line_depth));
}

/// Scratch of a filter product, in bytes for each shard; the same for c and k exchanged.
THAW_SIMD_INLINE std::size_t filter_product_scratch_bytes(int c, int k) {
  const auto floats = [](int across, int down) THAW_LAMBDA_INLINE {
    const auto columns = static_cast<std::size_t>(simd::round_up(across, simd::widest_panel));
    const auto rows =
        static_cast<std::size_t>(simd::round_up(down, simd::line_depth)) + std::size_t{2} * simd::widest_panel;
    return simd::filter_rows * (columns + rows + rows / 64 + simd::widest_panel) + rows * columns + 4 * rows;
  };
  return sizeof(float) * simd::most(floats(c, k), floats(k, c));
}

/// Floats of a transformed filter.
THAW_SIMD_INLINE std::size_t winograd_filter_floats(int m, int depth, int columns) {
  const auto size = static_cast<std::size_t>(m) + 2;
  return size * size * panel_floats(depth, columns);
}

/// How a thread takes a Winograd convolution: so many rows of `most_tile_rows` tiles at a time and, where even two of
/// them would fill L2 with transformed pixels, point by point (every point's filter is read once for all rows) instead
/// of panel by panel.
struct WinogradCut {
  int rows;
  bool by_point;
};

THAW_SIMD_INLINE WinogradCut winograd_cut(int m, int c) {
  const int rows = 1200000 / ((m + 2) * (m + 2) * simd::most_tile_rows * c * 4);
  if (rows < 3) return {6, true};
  return {rows > 4 ? 4 : rows, false};
}

/// Scratch of a Winograd convolution from c to k channels, in bytes for each thread.
THAW_SIMD_INLINE std::size_t winograd_scratch_bytes(int m, int c, int k) {
  const WinogradCut cut = winograd_cut(m, c);
  const auto size = static_cast<std::size_t>(m) + 2;
  const std::size_t rows = size * size * simd::most_tile_rows * static_cast<std::size_t>(cut.rows);
  const int products = cut.by_point ? simd::round_up(k, simd::widest_panel) : simd::widest_panel;
  return sizeof(float) * rows * (static_cast<std::size_t>(c) + static_cast<std::size_t>(products));
}

/// Where a Winograd filter gradient keeps its sums and the transformed tiles, in floats.
struct WinogradFilterScratch {
  std::int64_t tiles;        ///< transformed at a time
  int x_row, dy_row;         ///< a row of transformed x and dy
  std::int64_t point;        ///< sums of a point: (padded k, padded c)
  std::int64_t sums, x, dy;  ///< sizes

  [[nodiscard]] std::size_t bytes() const { return sizeof(float) * static_cast<std::size_t>(sums + x + dy); }
};

THAW_SIMD_INLINE WinogradFilterScratch winograd_filter_scratch(int m, const ConvProblem& problem) {
  const int points = (m + 2) * (m + 2);
  const std::int64_t down = (simd::out_height(problem) + m - 1) / m;
  const std::int64_t across = (simd::out_width(problem) + m - 1) / m;
  const std::int64_t all = problem.n * down * across;
  WinogradFilterScratch out = {};
  out.x_row = problem.c + simd::widest_panel;
  out.dy_row = problem.k + simd::line_depth;
  // About 32 MiB of transformed tiles, which a shared last-level cache holds.
  const std::int64_t wanted = (std::int64_t{8} << 20) / (std::int64_t{points} * (out.x_row + out.dy_row));
  out.tiles = all < wanted ? all : wanted;
  out.point = std::int64_t{simd::round_up(problem.k, simd::line_depth) + simd::line_depth} *
              simd::round_up(problem.c, simd::widest_panel);
  out.sums = points * out.point;
  out.x = points * out.tiles * out.x_row + simd::widest_panel;
  out.dy = points * out.tiles * out.dy_row + simd::widest_panel;
  return out;
}

}  // namespace thaw
