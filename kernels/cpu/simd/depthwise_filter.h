#pragma once

#include "kernels/cpu/simd/depthwise.h"
#include "kernels/cpu/simd/reduce.h"

THAW_SIMD_BEGIN

// Depthwise convolution, gradient of the filter: dw[r,s] = sum over images and pixels of x[p stride + r - top, q stride
// + s - left] dy[p,q]. A chunk of output rows adds up in f32 into its own (R,S,C) sums, and the chunks are added in
// their order in double. Along a row the window slides through registers, so each pixel is loaded (and widened from
// bf16) once per filter row.

/// Adds one output row's part to the K sums of one filter row. `x` and `dy` stand at the rows' first pixel.
template <int K, int Stride, int W, int V, class T>
THAW_SIMD_INLINE void filter_row(const ConvProblem& problem, const T* x, const T* dy, vec<W> (&sums)[K][V]) {
  const int left = problem.pad.left;
  const int width = out_width(problem);
  vec<W> sum[K][V];
  vec<W> window[K][V];
  const auto load_pixel = [&](int iw, vec<W>(&to)[V]) THAW_LAMBDA_INLINE {
    if (iw >= 0 && iw < problem.w) {
      load_channels<W>(x + std::int64_t{iw} * problem.c, to);
    } else {
      unrolled<V>([&](auto v) THAW_LAMBDA_INLINE { to[v.value] = vec<W>{}; });
    }
  };
  const auto step = [&](int q, auto checked) THAW_LAMBDA_INLINE {
    vec<W> gradient[V];
    load_channels<W>(dy + std::int64_t{q} * problem.c, gradient);
    unrolled<Stride>([&](auto i) THAW_LAMBDA_INLINE {
      constexpr int s = K - Stride + decltype(i)::value;
      const int iw = q * Stride - left + s;
      if constexpr (decltype(checked)::value != 0) {
        load_pixel(iw, window[s]);
      } else {
        load_channels<W>(x + std::int64_t{iw} * problem.c, window[s]);
      }
    });
    unrolled<K * V>([&](auto i) THAW_LAMBDA_INLINE {
      constexpr int s = decltype(i)::value / V;
      constexpr int v = decltype(i)::value % V;
      sum[s][v] += window[s][v] * gradient[v];
      if constexpr (s + Stride < K) window[s][v] = window[s + Stride][v];
    });
  };
  unrolled<K * V>([&](auto i) THAW_LAMBDA_INLINE { sum[i.value / V][i.value % V] = sums[i.value / V][i.value % V]; });
  unrolled<K - Stride>([&](auto s) THAW_LAMBDA_INLINE { load_pixel(s.value - left, window[s.value]); });
  // Columns whose new pixels all lie inside the image: q Stride - left + K - Stride >= 0 and q Stride - left + K <= w.
  const int inside = least(width, most(0, (left - (K - Stride) + Stride - 1) / Stride));
  const int last = problem.w + left - K;
  const int outside = most(inside, last < 0 ? 0 : least(width, last / Stride + 1));
  int q = 0;
  for (; q < inside; ++q) step(q, Constant<1>{});
  for (; q < outside; ++q) step(q, Constant<0>{});
  for (; q < width; ++q) step(q, Constant<1>{});
  unrolled<K * V>([&](auto i) THAW_LAMBDA_INLINE { sums[i.value / V][i.value % V] = sum[i.value / V][i.value % V]; });
}

/// Sums of output rows [row, end) for V*W channels from `channel` on, written to `partial` (K,K,C).
template <int K, int Stride, int W, int V, class T>
void filter_chunk(const ConvProblem& problem, const T* x, const T* dy, std::int64_t row, std::int64_t end, int channel,
                  float* partial) {
  const int height = out_height(problem);
  const std::int64_t in_row = std::int64_t{problem.w} * problem.c;
  const std::int64_t out_row = std::int64_t{out_width(problem)} * problem.c;
  vec<W> sums[K][K][V] = {};
  for (; row < end; ++row) {
    const std::int64_t image = row / height;
    const int top = static_cast<int>(row % height) * Stride - problem.pad.top;
    for (int r = most(0, -top); r < least(K, problem.h - top); ++r) {
      filter_row<K, Stride, W, V>(problem, x + (image * problem.h + top + r) * in_row + channel,
                                  dy + row * out_row + channel, sums[r]);
    }
  }
  for (int tap = 0; tap < K * K; ++tap) {
    for (int v = 0; v < V; ++v) {
      store_vector<W>(partial + std::int64_t{tap} * problem.c + channel + v * W, sums[tap / K][tap % K][v]);
    }
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

/// Channels of a unit of work: a chunk alone would be too coarse where there are few of them.
constexpr int unit_channels = 64;

template <class T>
void filter_partials(const ConvProblem& problem, const T* x, const T* dy, float* partial) {
  const std::int64_t rows = std::int64_t{problem.n} * out_height(problem);
  const std::int64_t step = filter_chunk_rows(problem);
  const std::int64_t filter = std::int64_t{problem.r} * problem.s * problem.c;
  const std::int64_t blocks = ceil_div(problem.c, unit_channels);
  const std::int64_t units = filter_chunks(problem) * blocks;
  const auto for_units = [&](const auto& f) THAW_LAMBDA_INLINE {
#pragma omp parallel for schedule(static) if (units > 1)
    for (std::int64_t unit = 0; unit < units; ++unit) {
      const std::int64_t chunk = unit / blocks;
      const int channel = static_cast<int>(unit % blocks) * unit_channels;
      f(chunk * step, least(chunk * step + step, rows), channel, least(channel + unit_channels, problem.c),
        partial + chunk * filter);
    }
  };
  const bool own = with_filter_shape(problem, [&](auto k, auto stride) {
    for_units([&](std::int64_t row, std::int64_t end, int first, int last, float* to) {
      for_channels(first, last, [&](int channel, auto w, auto v) THAW_LAMBDA_INLINE {
        filter_chunk<k.value, stride.value, w.value, v.value>(problem, x, dy, row, end, channel, to);
      });
    });
  });
  if (own) return;
  for_units([&](std::int64_t row, std::int64_t end, int first, int last, float* to) {
    filter_chunk_general(problem, x, dy, row, end, first, last - first, to);
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
