#pragma once

#include "kernels/cpu/simd/depthwise.h"

THAW_SIMD_BEGIN

// Depthwise convolution, gradient of the input: dx[ih,iw] = sum over r,s of dy[p,q] w[r,s] with p stride + r = ih + top
// and q stride + s = iw + left. Gathered, so that every dx is written once, by one thread.

/// Input columns taken together: a multiple of the stride, which is 2.
constexpr int data_columns = vector_floats == 16 ? 8 : 4;

/// `data_columns` inputs of row `ih` from column `iw` on, where (iw + left) % 2 == 0, for stride 2.
template <int K, int W, bool Checked, class T>
THAW_SIMD_INLINE void depthwise_data_columns(const ConvProblem& problem, const T* dy, const PairFilter<K, W, T>& filter,
                                             int ih, int iw, Pair<W> (&sum)[data_columns]) {
  constexpr int before = (K - 1) / 2;  // outputs left of the first column's own that reach it
  constexpr int reach = (data_columns - 1) / 2 + 1 + before;
  unrolled<data_columns>([&](auto j) THAW_LAMBDA_INLINE { sum[j.value] = Pair<W>{}; });
  const int first = (iw + problem.pad.left) / 2 - before;
  const int width = out_width(problem);
  const std::int64_t c = problem.c;
  for (int r = (ih + problem.pad.top) % 2; r < K; r += 2) {
    const int p = (ih + problem.pad.top - r) / 2;
    if (ih + problem.pad.top < r || p >= out_height(problem)) continue;
    Pair<W> tap[K];
    unrolled<K>([&](auto s) THAW_LAMBDA_INLINE { tap[s.value] = load_pair<W>(filter.tap[r * K + s.value]); });
    const T* row = dy + (std::int64_t{p} * width + first) * c;
    unrolled<reach>([&](auto e) THAW_LAMBDA_INLINE {
      const int q = first + e.value;
      if (Checked && (q < 0 || q >= width)) return;
      const Pair<W> gradient = load_pair<W>(row + e.value * c);
      unrolled<data_columns>([&](auto j) THAW_LAMBDA_INLINE {
        constexpr int s = decltype(j)::value - (decltype(e)::value - before) * 2;
        if constexpr (s >= 0 && s < K) multiply_add(sum[j.value], gradient, tap[s]);
      });
    });
  }
}

/// Input rows [row, end) of one image and pair, for stride 2.
template <int K, int W, class T>
void depthwise_data_rows(const ConvProblem& problem, const PairFilter<K, W, T>& filter, const T* dy, T* dx, int row,
                         int end, ReadAhead& next_dy, ReadAhead& next_dx) {
  constexpr int before = (K - 1) / 2;
  for (int ih = row; ih < end; ++ih) {
    for (int iw = -(problem.pad.left % 2); iw < problem.w; iw += data_columns) {
      const int first = (iw + problem.pad.left) / 2 - before;
      Pair<W> sum[data_columns];
      constexpr int lines = (data_columns * 2 * W * static_cast<int>(sizeof(T)) + 63) / 64;
      next_dy.fetch<lines / 4>();
      next_dx.fetch<lines>();
      if (first >= 0 && first + before + (data_columns - 1) / 2 < out_width(problem)) {
        depthwise_data_columns<K, W, false>(problem, dy, filter, ih, iw, sum);
      } else {
        depthwise_data_columns<K, W, true>(problem, dy, filter, ih, iw, sum);
      }
      T* to = dx + (std::int64_t{ih} * problem.w + iw) * problem.c;
      unrolled<data_columns>([&](auto j) THAW_LAMBDA_INLINE {
        const int column = iw + j.value;
        if (column >= 0 && column < problem.w) store_pair<W>(to + j.value * std::int64_t{problem.c}, sum[j.value]);
      });
    }
  }
}

/// With stride 1 the gradient is a forward convolution of dy with the filter turned by 180 degrees.
ConvProblem turned(const ConvProblem& problem) {
  ConvProblem back = problem;
  back.h = out_height(problem);
  back.w = out_width(problem);
  back.pad.top = problem.r - 1 - problem.pad.top;
  back.pad.left = problem.s - 1 - problem.pad.left;
  back.pad.bottom = problem.h - back.h - back.pad.top + problem.r - 1;
  back.pad.right = problem.w - back.w - back.pad.left + problem.s - 1;
  back.bias = back.residual = false;
  back.act = Act::linear;
  return back;
}

template <class T>
bool depthwise_data_own(const ConvProblem& problem, const float* w, const T* dy, T* dx) {
  if (problem.stride == 1) return depthwise_own<T>(turned(problem), {.x = dy, .w = w, .y = dx}, true);
  const int c = problem.c;
  const std::int64_t in_image = std::int64_t{problem.h} * problem.w * c;
  const std::int64_t out_image = std::int64_t{out_height(problem)} * out_width(problem) * c;
  const auto row_bytes = std::int64_t{problem.w} * c * static_cast<std::int64_t>(sizeof(T));
  return c >= least_pair_channels && with_filter_shape(problem, [&](auto k, auto) {
           with_pair_width(c, [&](auto width) {
             for_bands(problem.n, problem.h, row_bytes, [&](std::int64_t image, int row, int end) {
               ReadAhead next_dy(dy + image * out_image + std::int64_t{end} / 2 * out_width(problem) * c);
               ReadAhead next_dx(dx + image * in_image + std::int64_t{end} * problem.w * c);
               for (int pair = 0; pair < pairs_of<width.value>(c); ++pair) {
                 const int channel = first_of_pair<width.value>(c, pair);
                 const PairFilter<k.value, width.value, T> filter(w, nullptr, c, channel, false);
                 depthwise_data_rows(problem, filter, dy + image * out_image + channel, dx + image * in_image + channel,
                                     row, end, next_dy, next_dx);
               }
             });
           });
         });
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
    if (depthwise_data_own<T>(problem, w, as<T>(dy), as<T>(dx))) return;
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t image = row / problem.h;
      depthwise_data_row_general(problem, w, as<T>(dy) + image * out_image, as<T>(dx) + image * in_image,
                                 static_cast<int>(row % problem.h));
    }
  });
}

THAW_SIMD_END
