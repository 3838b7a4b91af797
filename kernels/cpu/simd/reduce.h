#pragma once

#include "kernels/cpu/simd/lines.h"

THAW_SIMD_BEGIN

// Sums over rows, squares, and the per-image channel gates of squeeze-excite.

/// (rows,C) -> (C): every chunk sums its rows in f32, the chunks are added in their order in double.
void sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, float* sums, void* scratch) {
  const std::int64_t step = rows_per_chunk(c);
  const std::int64_t chunks = row_chunks(rows, c);
  auto* partial = as<float>(scratch);
  with_activation_type(dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      for (int b = 0; b < blocks_of(c); ++b) {
        const Block block = block_of(c, b * line_floats);
        LineSum sum(block);
        for_lines(chunk * step, least(chunk * step + step, rows), c, block,
                  [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
                    Strip in;
                    sum.add(read_line(as<T>(x) + offset, n, in.at), at, n);
                  });
        const double* total = sum.finish();
        for (int i = 0; i < block.width; ++i) partial[chunk * c + block.first + i] = static_cast<float>(total[i]);
      }
    }
  });
  for (int first = 0; first < c; first += line_floats) {
    const int n = least(line_floats, c - first);
    alignas(64) double total[line_floats] = {};
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      for (int i = 0; i < n; ++i) total[i] += static_cast<double>(partial[chunk * c + first + i]);
    }
    for (int i = 0; i < n; ++i) sums[first + i] = static_cast<float>(total[i]);
  }
}

/// In double throughout: the square of a float never overflows there.
void sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out, void* scratch) {
  auto* partial = as<double>(scratch);
  with_activation_type(dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    for_pieces(count, [=](std::int64_t first, std::int64_t n) {
      double sums[strip_floats] = {};
      for_strips(n, [&](std::int64_t i, int width) THAW_LAMBDA_INLINE {
        Strip in;
        const float* from = read_line(as<T>(x) + first + i, width, in.at);
#pragma omp simd
        for (int j = 0; j < width; ++j) sums[j] += static_cast<double>(from[j]) * static_cast<double>(from[j]);
      });
      double sum = 0;
      for (const double part : sums) sum += part;
      partial[first / chunk_elements] = sum;
    });
  });
  double total = 0;
  for (std::int64_t piece = 0; piece < ceil_div(count, chunk_elements); ++piece) total += partial[piece];
  *out = total;
}

/// y = x gate, three streams. A unit of work is a chunk of one image's pixels.
void scale_forward(const ScaleProblem& problem, const void* x, const void* gate, void* y) {
  const int c = problem.c;
  const std::int64_t hw = problem.hw;
  const std::int64_t step = rows_per_chunk(c);
  const std::int64_t chunks = row_chunks(hw, c);
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    const std::int64_t units = problem.n * chunks;
#pragma omp parallel for schedule(static) if (units > 1)
    for (std::int64_t unit = 0; unit < units; ++unit) {
      const std::int64_t image = unit / chunks;
      const std::int64_t row = unit % chunks * step;
      for (int b = 0; b < blocks_of(c); ++b) {
        const Block block = block_of(c, b * line_floats);
        Line gates;
        fill_line(block, as<T>(gate) + image * c, gates.at);
        for_lines(row, least(row + step, hw), c, block,
                  [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
                    Strip in;
                    Strip out;
                    T* to = as<T>(y) + image * hw * c + offset;
                    float* strip = line_for(to, out.at);
                    const float* from = read_line(as<T>(x) + image * hw * c + offset, n, in.at);
#pragma omp simd
                    for (int i = 0; i < n; ++i) strip[i] = from[i] * gates.at[at + i];
                    write_line(to, strip, n);
                  });
      }
    }
  });
}

/// dx = dy gate and dgate = sum over pixels of dy x in one sweep of three or four streams. A unit of work is a block of
/// channels of one image.
template <class T>
void scale_backward_unit(const ScaleProblem& problem, const T* x, const T* gate, const T* dy, T* dx, T* dgate,
                         const Block& block) {
  Line gates;
  if (dx != nullptr) fill_line(block, gate, gates.at);
  LineSum sum(block);
  for_lines(0, problem.hw, problem.c, block, [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
    Strip in;
    Strip gradient;
    Strip out;
    const float* from = read_line(dy + offset, n, gradient.at);
    if (dgate != nullptr) {
      Strip product;
      const float* value = read_line(x + offset, n, in.at);
#pragma omp simd
      for (int i = 0; i < n; ++i) product.at[i] = from[i] * value[i];
      sum.add(product.at, at, n);
    }
    if (dx != nullptr) {
      float* strip = line_for(dx + offset, out.at);
#pragma omp simd
      for (int i = 0; i < n; ++i) strip[i] = from[i] * gates.at[at + i];
      write_line(dx + offset, strip, n);
    }
  });
  if (dgate == nullptr) return;
  const double* total = sum.finish();
  for (int i = 0; i < block.width; ++i) store(dgate + block.first + i, static_cast<float>(total[i]));
}

void scale_backward(const ScaleProblem& problem, const void* x, const void* gate, const void* dy, void* dx,
                    void* dgate) {
  const std::int64_t c = problem.c;
  const int blocks = blocks_of(problem.c);
  const std::int64_t units = std::int64_t{problem.n} * blocks;
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
#pragma omp parallel for schedule(static) if (units > 1)
    for (std::int64_t unit = 0; unit < units; ++unit) {
      const std::int64_t image = unit / blocks;
      const Block block = block_of(problem.c, static_cast<int>(unit % blocks) * line_floats);
      const std::int64_t at = image * problem.hw * c;
      const auto from = [](auto* base, std::int64_t offset) { return base == nullptr ? base : base + offset; };
      scale_backward_unit(problem, from(as<T>(x), at), from(as<T>(gate), image * c), as<T>(dy) + at,
                          from(as<T>(dx), at), from(as<T>(dgate), image * c), block);
    }
  });
}

THAW_SIMD_END
