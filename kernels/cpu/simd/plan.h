#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/problem.h"

// How work is cut into pieces: a function of the sizes alone, never of the thread count, and the same for every
// instruction set. Everything here is always inlined because it is compiled for several instruction sets.

#define THAW_SIMD_INLINE inline __attribute__((always_inline))
#define THAW_LAMBDA_INLINE __attribute__((always_inline))

namespace thaw::simd {

/// Floats in a line buffer on the stack. Rows with fewer channels are taken several at a time, so that the inner loops
/// are long for every channel count.
constexpr int line_floats = 1024;
/// Floats of a strip: what one pass of an inner loop takes, so that its values stay in registers.
constexpr int strip_floats = 64;
/// Elements of an element-wise piece, and about those of a reduction's chunk (128 KiB of f32: a piece of L2).
constexpr std::int64_t chunk_elements = 32768;
/// Output pixels that one depthwise filter gradient chunk adds up in f32.
constexpr int filter_chunk_pixels = 512;

THAW_SIMD_INLINE std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

template <class T>
THAW_SIMD_INLINE T least(T a, T b) {
  return b < a ? b : a;
}

template <class T>
THAW_SIMD_INLINE T most(T a, T b) {
  return a < b ? b : a;
}

/// Rows of `c` channels that one line holds: as many as end with a full pair of registers (32 floats), where some do.
THAW_SIMD_INLINE int rows_per_line(int c) {
  const int rows = c <= line_floats ? line_floats / c : 1;
  const int even = 32 / least(32, c & -c);
  return rows < even ? rows : rows - rows % even;
}

/// Rows of a reduction chunk: about `chunk_elements`, at least 32 rows, a multiple of a line's rows.
THAW_SIMD_INLINE std::int64_t rows_per_chunk(int c) {
  const std::int64_t line = rows_per_line(c);
  return ceil_div(most<std::int64_t>(chunk_elements / c, 32), line) * line;
}

THAW_SIMD_INLINE std::int64_t row_chunks(std::int64_t rows, int c) { return ceil_div(rows, rows_per_chunk(c)); }

/// Output height and width of a problem, as its p() and q().
template <class Problem>
THAW_SIMD_INLINE int out_height(const Problem& problem) {
  return (problem.h + problem.pad.top + problem.pad.bottom - problem.r) / problem.stride + 1;
}
template <class Problem>
THAW_SIMD_INLINE int out_width(const Problem& problem) {
  return (problem.w + problem.pad.left + problem.pad.right - problem.s) / problem.stride + 1;
}

/// Output rows (n,p) of one depthwise filter gradient chunk, and the number of chunks.
THAW_SIMD_INLINE std::int64_t filter_chunk_rows(const ConvProblem& problem) {
  return most(1, filter_chunk_pixels / out_width(problem));
}
THAW_SIMD_INLINE std::int64_t filter_chunks(const ConvProblem& problem) {
  return ceil_div(std::int64_t{problem.n} * out_height(problem), filter_chunk_rows(problem));
}

}  // namespace thaw::simd
