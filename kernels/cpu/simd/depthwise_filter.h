#pragma once

#include "kernels/cpu/simd/depthwise.h"
#include "kernels/cpu/simd/reduce.h"

THAW_SIMD_BEGIN

// Depthwise convolution, gradient of the filter: dw[r,s] = sum over images and pixels of x[p stride + r - top, q stride
// + s - left] dy[p,q]. A chunk of output rows adds up in f32 into its own (R,S,C) sums, and the chunks are added in
// their order in double. Along a row the last gradients stay in registers, so that each of them and each pixel is
// loaded once for a group of filter rows.

/// Filter rows whose sums are in registers at once: 18 of 32 for all of a 3x3 filter.
template <int K>
constexpr int filter_rows = vector_floats == 16 && K == 3 ? 3 : 1;

/// A row of the image; where it lies outside, pixels of zeros, each at the place of the one before.
template <class T>
struct ImageRow {
  const T* at;
  std::int64_t step;
};

/// Adds one output row's part to the sums of R filter rows, whose image rows are `x`.
template <int K, int Stride, int R, int W, class T>
THAW_SIMD_INLINE void filter_row(const ConvProblem& problem, const ImageRow<T> (&x)[R], const T* dy, ReadAhead& next_x,
                                 ReadAhead& next_dy, Pair<W> (&sum)[R * K]) {
  constexpr int depth = (K + Stride - 1) / Stride;  // gradients that one pixel meets
  const int left = problem.pad.left;
  const int width = out_width(problem);
  Pair<W> gradient[depth] = {};  // of columns q, q-1, ...
  constexpr int lines = (2 * W * static_cast<int>(sizeof(T)) + 63) / 64;
  const auto step = [&](int q, auto checked) THAW_LAMBDA_INLINE {
    next_x.fetch<lines * Stride * Stride>();
    next_dy.fetch<lines>();
    unrolled<depth - 1>([&](auto i)
                            THAW_LAMBDA_INLINE { gradient[depth - 1 - i.value] = gradient[depth - 2 - i.value]; });
    if (checked.value == 0 || q < width) {
      gradient[0] = load_pair<W>(dy + std::int64_t{q} * problem.c);
    } else {
      gradient[0] = Pair<W>{};
    }
    unrolled<Stride>([&](auto i) THAW_LAMBDA_INLINE {
      const int iw = q * Stride + i.value - left;
      if (checked.value != 0 && (iw < 0 || iw >= problem.w)) return;
      unrolled<R>([&](auto r) THAW_LAMBDA_INLINE {
        const Pair<W> pixel = load_pair<W>(x[r.value].at + iw * x[r.value].step);
        unrolled<depth>([&](auto d) THAW_LAMBDA_INLINE {
          constexpr int s = decltype(i)::value + decltype(d)::value * Stride;
          if constexpr (s < K) multiply_add(sum[r.value * K + s], pixel, gradient[d.value]);
        });
      });
    });
  };
  // Columns whose pixels all lie inside the image.
  const int inside = least(width, (left + Stride - 1) / Stride);
  const int outside = most(inside, least(width, (problem.w + left) / Stride));
  int q = 0;
  for (; q < inside; ++q) step(q, Constant<1>{});
  for (; q < outside; ++q) step(q, Constant<0>{});
  for (; q < width + depth - 1; ++q) step(q, Constant<1>{});
}

/// Writes the sums of the pair at `channel` for taps from `tap` on to `partial` (K,K,C), from channel `first` on.
template <int Taps, int W, class T>
THAW_SIMD_INLINE void store_sums(const Pair<W> (&sum)[Taps], const T* type, int c, int tap, int channel, int first,
                                 float* partial) {
  for (int t = 0; t < Taps; ++t) {
    alignas(64) float line[2 * W];
    store_pair<W>(line, sum[t]);
    float* to = partial + std::int64_t{tap + t} * c + channel;
    for (int i = first - channel; i < 2 * W; ++i) to[i] = line[place_in_pairs<W>(type, i)];
  }
}

/// Sums of output rows [row, end) for the pair at `channel`, written to `partial` (K,K,C) from channel `first` on.
template <int K, int Stride, int W, class T>
void filter_chunk(const ConvProblem& problem, const T* x, const T* dy, std::int64_t row, std::int64_t end, int channel,
                  int first, float* partial) {
  constexpr int group = filter_rows<K>;
  const int height = out_height(problem);
  const std::int64_t in_row = std::int64_t{problem.w} * problem.c;
  const std::int64_t out_row = std::int64_t{out_width(problem)} * problem.c;
  const T zeros[2 * W] = {};
  // A part of the next chunk, as large as this pair's part of this one.
  const std::int64_t part = (end - row) * out_width(problem) * first;
  ReadAhead next_x(x + end * Stride * in_row + part * Stride * Stride);
  ReadAhead next_dy(dy + end * out_row + part);
  for (int r = 0; r < K; r += group) {
    Pair<W> sum[group * K] = {};
    for (std::int64_t at = row; at < end; ++at) {
      const std::int64_t image = at / height;
      const int top = static_cast<int>(at % height) * Stride - problem.pad.top + r;
      if (top + group <= 0 || top >= problem.h) continue;
      ImageRow<T> rows[group];
      unrolled<group>([&](auto i) THAW_LAMBDA_INLINE {
        const int ih = top + i.value;
        const bool inside = ih >= 0 && ih < problem.h;
        rows[i.value].at = inside ? x + (image * problem.h + ih) * in_row + channel : zeros;
        rows[i.value].step = inside ? problem.c : 0;
      });
      filter_row<K, Stride, group>(problem, rows, dy + at * out_row + channel, next_x, next_dy, sum);
    }
    next_x = next_dy = ReadAhead(nullptr);
    store_sums(sum, x, problem.c, r * K, channel, first, partial);
  }
}

/// Width of the last stage of a network on 224 x 224 pixels, where most columns of a 5x5 filter cross an edge.
constexpr int narrow_width = 7;
/// The padding before an image that "same" gives there, for both strides.
template <int K, int Stride>
constexpr int same_pad = (K - Stride) / 2;

/// Whether `filter_chunk_narrow` does this problem.
template <int K, int Stride>
THAW_SIMD_INLINE bool is_narrow(const ConvProblem& problem) {
  return out_width(problem) == narrow_width && problem.w == narrow_width * Stride &&
         problem.pad.left == same_pad<K, Stride>;
}

/// `filter_chunk` where the output is `narrow_width` pixels wide: all gradients of a row stay in registers, and what
/// meets which of them is known to the compiler.
template <int K, int Stride, int W, class T>
void filter_chunk_narrow(const ConvProblem& problem, const T* x, const T* dy, std::int64_t row, std::int64_t end,
                         int channel, int first, float* partial) {
  const std::int64_t c = problem.c;
  const int height = out_height(problem);
  for (int r = 0; r < K; ++r) {
    Pair<W> sum[K] = {};
    for (std::int64_t at = row; at < end; ++at) {
      const int ih = static_cast<int>(at % height) * Stride - problem.pad.top + r;
      if (ih < 0 || ih >= problem.h) continue;
      const T* pixels = x + (at / height * problem.h + ih) * problem.w * c + channel;
      const T* gradients = dy + at * narrow_width * c + channel;
      Pair<W> gradient[narrow_width];
      unrolled<narrow_width>([&](auto q)
                                 THAW_LAMBDA_INLINE { gradient[q.value] = load_pair<W>(gradients + q.value * c); });
      unrolled<narrow_width * Stride>([&](auto iw) THAW_LAMBDA_INLINE {
        const Pair<W> pixel = load_pair<W>(pixels + iw.value * c);
        unrolled<K>([&](auto s) THAW_LAMBDA_INLINE {
          constexpr int across = decltype(iw)::value + same_pad<K, Stride> - decltype(s)::value;
          if constexpr (across >= 0 && across % Stride == 0 && across / Stride < narrow_width) {
            multiply_add(sum[s.value], pixel, gradient[across / Stride]);
          }
        });
      });
    }
    store_sums(sum, x, problem.c, r * K, channel, first, partial);
  }
}

/// The same for any filter and stride, for channels [first, first+n), n at most `line_floats`.
template <class T>
void filter_chunk_general(const ConvProblem& problem, const T* x, const T* dy, std::int64_t row, std::int64_t end,
                          int first, int n, float* partial) {
  const int height = out_height(problem);
  const int width = out_width(problem);
  for (int tap = 0; tap < problem.r * problem.s; ++tap) {
    Line pixel_line;
    Line gradient_line;
    Line sum = {};
    for (std::int64_t at = row; at < end; ++at) {
      const int ih = static_cast<int>(at % height) * problem.stride + tap / problem.s - problem.pad.top;
      if (ih < 0 || ih >= problem.h) continue;
      for (int q = 0; q < width; ++q) {
        const int iw = q * problem.stride + tap % problem.s - problem.pad.left;
        if (iw < 0 || iw >= problem.w) continue;
        const std::int64_t from = ((at / height * problem.h + ih) * problem.w + iw) * problem.c + first;
        const float* pixel = read_line(x + from, n, pixel_line.at);
        const float* gradient = read_line(dy + (at * width + q) * problem.c + first, n, gradient_line.at);
#pragma omp simd
        for (int i = 0; i < n; ++i) sum.at[i] += pixel[i] * gradient[i];
      }
    }
    for (int i = 0; i < n; ++i) partial[std::int64_t{tap} * problem.c + first + i] = sum.at[i];
  }
}

template <class T>
void filter_partials(const ConvProblem& problem, const T* x, const T* dy, float* partial) {
  const std::int64_t rows = std::int64_t{problem.n} * out_height(problem);
  const std::int64_t step = filter_chunk_rows(problem);
  const std::int64_t filter = std::int64_t{problem.r} * problem.s * problem.c;
  const std::int64_t chunks = filter_chunks(problem);
  // A chunk alone would be too coarse a unit of work where there are few of them.
  const auto for_units = [&](int blocks, const auto& f) THAW_LAMBDA_INLINE {
#pragma omp parallel for schedule(static) if (chunks * blocks > 1)
    for (std::int64_t unit = 0; unit < chunks * blocks; ++unit) {
      const std::int64_t chunk = unit / blocks;
      f(chunk * step, least(chunk * step + step, rows), static_cast<int>(unit % blocks), partial + chunk * filter);
    }
  };
  const bool own =
      problem.c >= least_pair_channels && with_filter_shape(problem, [&](auto k, auto stride) {
        with_pair_width(problem.c, [&](auto w) {
          for_units(pairs_of<w.value>(problem.c), [&](std::int64_t row, std::int64_t end, int pair, float* to) {
            const int channel = first_of_pair<w.value>(problem.c, pair);
            const int first = pair * 2 * w.value;
            if constexpr (k.value == 5) {
              if (is_narrow<5, stride.value>(problem)) {
                return filter_chunk_narrow<5, stride.value, w.value>(problem, x, dy, row, end, channel, first, to);
              }
            }
            filter_chunk<k.value, stride.value, w.value>(problem, x, dy, row, end, channel, first, to);
          });
        });
      });
  if (own) return;
  for_units(blocks_of(problem.c), [&](std::int64_t row, std::int64_t end, int block, float* to) {
    const int first = block * line_floats;
    filter_chunk_general(problem, x, dy, row, end, first, least(line_floats, problem.c - first), to);
  });
}

void depthwise_backward_filter(const ConvProblem& problem, const void* x, const void* dy, float* dw, float* dbias,
                               void* scratch) {
  const std::int64_t filter = std::int64_t{problem.r} * problem.s * problem.c;
  const std::int64_t chunks = filter_chunks(problem);
  auto* partial = as<float>(scratch);
  if (dw != nullptr) {
    with_activation_type(problem.dtype, [&](auto* null) {
      using T = typename Pointee<decltype(null)>::type;
      filter_partials(problem, as<T>(x), as<T>(dy), partial);
    });
#pragma omp parallel for schedule(static) if (filter > line_floats)
    for (std::int64_t first = 0; first < filter; first += line_floats) {
      const std::int64_t n = least<std::int64_t>(line_floats, filter - first);
      alignas(64) double total[line_floats] = {};
      for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
        const float* from = partial + chunk * filter + first;
        for (std::int64_t i = 0; i < n; ++i) total[i] += static_cast<double>(from[i]);
      }
      for (std::int64_t i = 0; i < n; ++i) dw[first + i] = static_cast<float>(total[i]);
    }
  }
  if (dbias != nullptr) {
    sum_rows(problem.dtype, std::int64_t{problem.n} * out_height(problem) * out_width(problem), problem.c, dy, dbias,
             scratch);
  }
}

THAW_SIMD_END
