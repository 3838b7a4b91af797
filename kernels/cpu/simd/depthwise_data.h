#pragma once

#include "kernels/cpu/simd/depthwise.h"

THAW_SIMD_BEGIN

// Depthwise convolution, gradient of the input: dx[ih,iw] = sum over r,s of dy[p,q] w[r,s] with p stride + r = ih + top
// and q stride + s = iw + left. Gathered, so that every dx is written once, by one thread.

/// `columns` inputs of row `ih` from column `iw` on, where (iw + left) % Stride == 0.
template <int K, int Stride, int W, int V, bool Checked, class T>
THAW_SIMD_INLINE void depthwise_data_columns(const ConvProblem& problem, const T* dy, const float* w, int ih, int iw,
                                             float* sums) {
  constexpr int before = (K - 1) / Stride;  // outputs left of the first column's own that reach it
  constexpr int reach = (columns - 1) / Stride + 1 + before;
  vec<W> sum[columns][V] = {};
  const int first = (iw + problem.pad.left) / Stride - before;
  const int width = out_width(problem);
  for (int r = 0; r < K; ++r) {
    const int at = ih + problem.pad.top - r;
    if (at < 0 || at % Stride != 0 || at / Stride >= out_height(problem)) continue;
    vec<W> filter[K][V];
    unrolled<K>([&](auto s) THAW_LAMBDA_INLINE {
      load_channels<W>(w + std::int64_t{r * K + s.value} * problem.c, filter[s.value]);
    });
    const T* row = dy + std::int64_t{at / Stride} * width * problem.c;
    unrolled<reach>([&](auto e) THAW_LAMBDA_INLINE {
      const int q = first + e.value;
      if (Checked && (q < 0 || q >= width)) return;
      vec<W> gradient[V];
      load_channels<W>(row + std::int64_t{q} * problem.c, gradient);
      unrolled<columns>([&](auto j) THAW_LAMBDA_INLINE {
        constexpr int s = decltype(j)::value - (decltype(e)::value - before) * Stride;
        if constexpr (s >= 0 && s < K) {
          unrolled<V>([&](auto v)
                          THAW_LAMBDA_INLINE { sum[j.value][v.value] += gradient[v.value] * filter[s][v.value]; });
        }
      });
    });
  }
  unrolled<columns>([&](auto j) THAW_LAMBDA_INLINE { store_channels<W>(sums + j.value * V * W, sum[j.value]); });
}

template <int K, int Stride, int W, int V, class T>
void depthwise_data_row(const ConvProblem& problem, const float* w, const T* dy, T* dx, int ih, int channel) {
  constexpr int before = (K - 1) / Stride;
  alignas(64) float sums[columns * V * W];
  for (int iw = -(problem.pad.left % Stride); iw < problem.w; iw += columns) {
    const int first = (iw + problem.pad.left) / Stride - before;
    if (first >= 0 && first + before + (columns - 1) / Stride < out_width(problem)) {
      depthwise_data_columns<K, Stride, W, V, false>(problem, dy + channel, w + channel, ih, iw, sums);
    } else {
      depthwise_data_columns<K, Stride, W, V, true>(problem, dy + channel, w + channel, ih, iw, sums);
    }
    for (int j = most(0, -iw); j < least(columns, problem.w - iw); ++j) {
      T* to = dx + (std::int64_t{ih} * problem.w + iw + j) * problem.c + channel;
      vec<W> pixel[V];
      load_channels<W>(sums + j * V * W, pixel);
      store_channels<W>(to, pixel);
    }
  }
}

/// One input row for any filter and stride.
template <class T>
void depthwise_data_row_general(const ConvProblem& problem, const float* w, const T* dy, T* dx, int ih) {
  const int c = problem.c;
  const int height = out_height(problem);
  const int width = out_width(problem);
  for (int iw = 0; iw < problem.w; ++iw) {
    for (int first = 0; first < c; first += line_floats) {
      const int n = least(line_floats, c - first);
      Line buffer;
      T* to = dx + (std::int64_t{ih} * problem.w + iw) * c + first;
      Line sum = {};
      for (int tap = 0; tap < problem.r * problem.s; ++tap) {
        const int down = ih + problem.pad.top - tap / problem.s;
        const int right = iw + problem.pad.left - tap % problem.s;
        if (down < 0 || right < 0 || down % problem.stride != 0 || right % problem.stride != 0) continue;
        if (down / problem.stride >= height || right / problem.stride >= width) continue;
        const std::int64_t at = (std::int64_t{down / problem.stride} * width + right / problem.stride) * c + first;
        const float* from = read_line(dy + at, n, buffer.at);
        const float* filter = w + std::int64_t{tap} * c + first;
#pragma omp simd
        for (int i = 0; i < n; ++i) sum.at[i] += from[i] * filter[i];
      }
      for (int i = 0; i < n; ++i) store(to + i, sum.at[i]);
    }
  }
}

void depthwise_backward_data(const ConvProblem& problem, const float* w, const void* dy, void* dx) {
  const std::int64_t rows = std::int64_t{problem.n} * problem.h;
  const std::int64_t in_image = std::int64_t{problem.h} * problem.w * problem.c;
  const std::int64_t out_image = std::int64_t{out_height(problem)} * out_width(problem) * problem.c;
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    const bool own = with_filter_shape(problem, [&](auto k, auto stride) {
#pragma omp parallel for schedule(static)
      for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t image = row / problem.h;
        for_channels(0, problem.c, [&](int channel, auto width, auto v) THAW_LAMBDA_INLINE {
          depthwise_data_row<k.value, stride.value, width.value, v.value>(problem, w, as<T>(dy) + image * out_image,
                                                                          as<T>(dx) + image * in_image,
                                                                          static_cast<int>(row % problem.h), channel);
        });
      }
    });
    if (own) return;
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t image = row / problem.h;
      depthwise_data_row_general(problem, w, as<T>(dy) + image * out_image, as<T>(dx) + image * in_image,
                                 static_cast<int>(row % problem.h));
    }
  });
}

THAW_SIMD_END
