#pragma once

#include <omp.h>

#include "kernels/cpu/simd/pairs.h"

THAW_SIMD_BEGIN

/// A block of at most `line_floats` neighbouring channels. Narrow rows are taken `repeat` at a time as one line, with
/// the per-channel values repeated as often, so that inner loops never have the length of 3 or 16 channels.
struct Block {
  int first;   ///< channel
  int width;   ///< channels
  int repeat;  ///< rows in a line; more than one only where the block has all channels
};

THAW_SIMD_INLINE Block block_of(int c, int first) { return {first, least(line_floats, c - first), rows_per_line(c)}; }

THAW_SIMD_INLINE int blocks_of(int c) { return static_cast<int>(ceil_div(c, line_floats)); }

/// Repeats the block's part of `values` (C) over a line.
template <class T>
THAW_SIMD_INLINE void fill_line(const Block& block, const T* values, float* line) {
  for (int j = 0; j < block.repeat; ++j) {
    for (int i = 0; i < block.width; ++i) line[j * block.width + i] = load(values + block.first + i);
  }
}

/// `line_floats` floats, brought to the order of pairs of T or back from it.
THAW_SIMD_INLINE void to_pairs(const float* /*type*/, const float* flat, float* line) {
  for (int i = 0; i < line_floats; ++i) line[i] = flat[i];
}
THAW_SIMD_INLINE void to_pairs(const Half* /*type*/, const float* flat, float* line) {
  for (int pair = 0; pair < line_floats; pair += pair_floats) {
    for (int i = 0; i < vector_floats; ++i) {
      line[pair + i] = flat[pair + 2 * i];
      line[pair + vector_floats + i] = flat[pair + 2 * i + 1];
    }
  }
}
THAW_SIMD_INLINE void from_pairs(const float* /*type*/, const float* line, float* flat) {
  for (int i = 0; i < line_floats; ++i) flat[i] = line[i];
}
THAW_SIMD_INLINE void from_pairs(const Half* /*type*/, const float* line, float* flat) {
  for (int pair = 0; pair < line_floats; pair += pair_floats) {
    for (int i = 0; i < vector_floats; ++i) {
      flat[pair + 2 * i] = line[pair + i];
      flat[pair + 2 * i + 1] = line[pair + vector_floats + i];
    }
  }
}

/// The block's part of `values` (C), repeated over a line in the order of pairs of T, with zeros behind.
template <class T, class V>
THAW_SIMD_INLINE void fill_pairs(const Block& block, const V* values, float* line) {
  const T* type = nullptr;
  alignas(64) float flat[line_floats];
  fill_line(block, values, flat);
  for (int i = block.repeat * block.width; i < line_floats; ++i) flat[i] = 0;
  to_pairs(type, flat, line);
}

/// Sums of the block's channels over a line in the order of pairs of T.
template <class T>
THAW_SIMD_INLINE void add_pairs(const Block& block, const float* line, double* sums) {
  const T* type = nullptr;
  alignas(64) float flat[line_floats];
  from_pairs(type, line, flat);
  for (int i = 0; i < block.width; ++i) sums[i] = static_cast<double>(flat[i]);
  for (int j = 1; j < block.repeat; ++j) {
    const float* row = flat + j * block.width;
    for (int i = 0; i < block.width; ++i) sums[i] += static_cast<double>(row[i]);
  }
}

/// Calls f(offset, at, n) for the pairs of the lines of rows [row, end), n = `pair_floats` (a constant) but at the end
/// of a line whose length is not a multiple of it. f must be always inlined.
template <class F>
THAW_SIMD_INLINE void for_line_pairs(std::int64_t row, std::int64_t end, int c, const Block& block, const F& f) {
  for (; row < end; row += block.repeat) {
    const std::int64_t rows = least<std::int64_t>(block.repeat, end - row);
    const std::int64_t offset = row * c + block.first;
    const std::int64_t count = rows * block.width;
    std::int64_t at = 0;
    for (; at + pair_floats <= count; at += pair_floats) f(offset + at, at, pair_floats);
    if (at < count) f(offset + at, at, static_cast<int>(count - at));
  }
}

enum class Direction { forwards, backwards };

/// Calls f(chunk) for all chunks, in parallel. A thread always has the same neighbouring chunks: a second sweep that
/// takes them backwards finds in its cache what the first one, forwards, has left there.
template <class F>
THAW_SIMD_INLINE void for_chunks(std::int64_t chunks, Direction direction, const F& f) {
#pragma omp parallel if (chunks > 1)
  {
    const std::int64_t first = chunks * omp_get_thread_num() / omp_get_num_threads();
    const std::int64_t last = chunks * (omp_get_thread_num() + 1) / omp_get_num_threads();
    for (std::int64_t i = first; i < last; ++i) f(direction == Direction::forwards ? i : first + last - 1 - i);
  }
}

/// Calls f(offset, at, n) for the strips of the lines of rows [row, end): elements [offset, offset+n) of a (rows,C)
/// array, at places [at, at+n) of a line. f must be always inlined.
template <class F>
THAW_SIMD_INLINE void for_lines(std::int64_t row, std::int64_t end, int c, const Block& block, const F& f) {
  for (; row < end; row += block.repeat) {
    const std::int64_t rows = least<std::int64_t>(block.repeat, end - row);
    const std::int64_t offset = row * c + block.first;
    for_strips(rows * block.width, [&](std::int64_t at, int n) THAW_LAMBDA_INLINE { f(offset + at, at, n); });
  }
}

/// Sums per channel over many rows: f32 within runs of 64 lines, double beyond.
class LineSum {
 public:
  explicit LineSum(const Block& block) : block_(block) {
    for (int i = 0; i < line_floats; ++i) line_.at[i] = 0;
    for (int i = 0; i < line_floats; ++i) total_[i] = 0;
  }
  /// Adds a strip of a line; a line begins with the strip at 0.
  THAW_SIMD_INLINE void add(const float* x, std::int64_t at, int n) {
    if (at == 0 && ++lines_ > 64) flush();
    float* line = line_.at + at;
#pragma omp simd
    for (int i = 0; i < n; ++i) line[i] += x[i];
  }
  /// The sums of the block's channels.
  const double* finish() {
    flush();
    return total_;
  }

 private:
  void flush() {
    for (int j = 0; j < block_.repeat; ++j) {
      for (int i = 0; i < block_.width; ++i) total_[i] += static_cast<double>(line_.at[j * block_.width + i]);
    }
    for (int i = 0; i < line_floats; ++i) line_.at[i] = 0;
    lines_ = 1;
  }

  Block block_;
  int lines_ = 0;
  Line line_;
  alignas(64) double total_[line_floats];
};

THAW_SIMD_END
