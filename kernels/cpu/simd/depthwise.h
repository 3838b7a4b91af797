#pragma once

#include "kernels/cpu/simd/lines.h"
#include "kernels/cpu/simd/vectors.h"

THAW_SIMD_BEGIN

// Depthwise convolution, forward. Registers hold `columns` neighbouring outputs of a few vectors of channels, so that a
// loaded pixel serves every output whose window it is in.

constexpr int columns = 4;
/// Vectors of channels taken together; 16 registers have room for one only.
constexpr int wide_vectors = vector_floats == 16 ? 2 : 1;

/// Calls f(channel, Constant<W>, Constant<V>) for pieces of V vectors of W channels that cover [first, end).
template <class F>
THAW_SIMD_INLINE void for_channels(int first, int end, const F& f) {
  int c = first;
  for (; end - c >= wide_vectors * vector_floats; c += wide_vectors * vector_floats) {
    f(c, Constant<vector_floats>{}, Constant<wide_vectors>{});
  }
  for (; end - c >= vector_floats; c += vector_floats) f(c, Constant<vector_floats>{}, Constant<1>{});
  if constexpr (vector_floats > 8) {
    for (; end - c >= 8; c += 8) f(c, Constant<8>{}, Constant<1>{});
  }
  for (; c < end; ++c) f(c, Constant<1>{}, Constant<1>{});
}

/// Calls f(Constant<K>, Constant<stride>) for the filters that have kernels of their own: 3x3 and 5x5, strides 1 and 2.
/// Returns false for any other problem.
template <class F>
THAW_SIMD_INLINE bool with_filter_shape(const ConvProblem& problem, const F& f) {
  if (problem.r != problem.s || problem.stride > 2 || (problem.r != 3 && problem.r != 5)) return false;
  if (problem.r == 3) {
    problem.stride == 1 ? f(Constant<3>{}, Constant<1>{}) : f(Constant<3>{}, Constant<2>{});
  } else {
    problem.stride == 1 ? f(Constant<5>{}, Constant<1>{}) : f(Constant<5>{}, Constant<2>{});
  }
  return true;
}

/// `columns` outputs of row p from column q on, with the bias (where not null): sums (columns,V*W). Checked: some input
/// columns lie outside the image.
template <int K, int Stride, int W, int V, bool Checked, class T>
THAW_SIMD_INLINE void depthwise_columns(const ConvProblem& problem, const T* image, const float* w, const float* bias,
                                        int p, int q, float* sums) {
  vec<W> sum[columns][V] = {};
  if (bias != nullptr) {
    unrolled<columns>([&](auto j) THAW_LAMBDA_INLINE { load_channels<W>(bias, sum[j.value]); });
  }
  const int left = q * Stride - problem.pad.left;
  for (int r = 0; r < K; ++r) {
    const int ih = p * Stride + r - problem.pad.top;
    if (ih < 0 || ih >= problem.h) continue;
    vec<W> filter[K][V];
    unrolled<K>([&](auto s) THAW_LAMBDA_INLINE {
      load_channels<W>(w + std::int64_t{r * K + s.value} * problem.c, filter[s.value]);
    });
    const T* row = image + std::int64_t{ih} * problem.w * problem.c;
    unrolled<(columns - 1) * Stride + K>([&](auto e) THAW_LAMBDA_INLINE {
      const int iw = left + e.value;
      if (Checked && (iw < 0 || iw >= problem.w)) return;
      vec<W> pixel[V];
      load_channels<W>(row + std::int64_t{iw} * problem.c, pixel);
      unrolled<columns>([&](auto j) THAW_LAMBDA_INLINE {
        constexpr int s = decltype(e)::value - decltype(j)::value * Stride;
        if constexpr (s >= 0 && s < K) {
          unrolled<V>([&](auto v) THAW_LAMBDA_INLINE { sum[j.value][v.value] += pixel[v.value] * filter[s][v.value]; });
        }
      });
    });
  }
  unrolled<columns>([&](auto j) THAW_LAMBDA_INLINE { store_channels<W>(sums + j.value * V * W, sum[j.value]); });
}

template <int K, int Stride, int W, int V, class T>
void depthwise_row(const ConvProblem& problem, const ConvForward& args, int image, int p, int channel) {
  const int c = problem.c;
  const int width = out_width(problem);
  const T* x = as<T>(args.x) + std::int64_t{image} * problem.h * problem.w * c + channel;
  const float* w = as<float>(args.w) + channel;
  const float* bias = problem.bias ? as<float>(args.bias) + channel : nullptr;
  const std::int64_t out = (std::int64_t{image} * out_height(problem) + p) * width * c + channel;
  alignas(64) float sums[columns * V * W];
  for (int q = 0; q < width; q += columns) {
    const int left = q * Stride - problem.pad.left;
    if (left >= 0 && left + (columns - 1) * Stride + K <= problem.w) {
      depthwise_columns<K, Stride, W, V, false>(problem, x, w, bias, p, q, sums);
    } else {
      depthwise_columns<K, Stride, W, V, true>(problem, x, w, bias, p, q, sums);
    }
    const int used = least(columns, width - q);
    if (problem.residual) {
      for (int j = 0; j < used; ++j) {
        const T* residual = as<T>(args.residual) + out + std::int64_t{q + j} * c;
        for (int i = 0; i < V * W; ++i) sums[j * V * W + i] += load(residual + i);
      }
    }
    if (problem.act != Act::linear) activate(problem.act, sums, sums, columns * V * W);
    for (int j = 0; j < used; ++j) {
      vec<W> pixel[V];
      load_channels<W>(sums + j * V * W, pixel);
      store_channels<W>(as<T>(args.y) + out + std::int64_t{q + j} * c, pixel);
    }
  }
}

/// One output row for any filter and stride: a line of channels of one pixel at a time.
template <class T>
void depthwise_row_general(const ConvProblem& problem, const ConvForward& args, int image, int p) {
  const int c = problem.c;
  const int width = out_width(problem);
  const std::int64_t out = (std::int64_t{image} * out_height(problem) + p) * width * c;
  for (int q = 0; q < width; ++q) {
    for (int first = 0; first < c; first += line_floats) {
      const int n = least(line_floats, c - first);
      Line buffer;
      Line sum = {};
      if (problem.bias) fill_line({first, n, 1}, as<float>(args.bias), sum.at);
      for (int tap = 0; tap < problem.r * problem.s; ++tap) {
        const int ih = p * problem.stride + tap / problem.s - problem.pad.top;
        const int iw = q * problem.stride + tap % problem.s - problem.pad.left;
        if (ih < 0 || ih >= problem.h || iw < 0 || iw >= problem.w) continue;
        const std::int64_t at = ((std::int64_t{image} * problem.h + ih) * problem.w + iw) * c + first;
        const float* pixel = read_line(as<T>(args.x) + at, n, buffer.at);
        const float* w = as<float>(args.w) + std::int64_t{tap} * c + first;
#pragma omp simd
        for (int i = 0; i < n; ++i) sum.at[i] += pixel[i] * w[i];
      }
      const std::int64_t at = out + std::int64_t{q} * c + first;
      if (problem.residual) {
        for (int i = 0; i < n; ++i) sum.at[i] += load(as<T>(args.residual) + at + i);
      }
      T* y = as<T>(args.y) + at;
      float* line = line_for(y, sum.at);
      activate(problem.act, sum.at, line, n);
      write_line(y, line, n);
    }
  }
}

void depthwise_forward(const ConvProblem& problem, const ConvForward& args) {
  const int height = out_height(problem);
  const std::int64_t rows = std::int64_t{problem.n} * height;
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    const bool own = with_filter_shape(problem, [&](auto k, auto stride) {
#pragma omp parallel for schedule(static)
      for (std::int64_t row = 0; row < rows; ++row) {
        for_channels(0, problem.c, [&](int channel, auto w, auto v) THAW_LAMBDA_INLINE {
          depthwise_row<k.value, stride.value, w.value, v.value, T>(problem, args, static_cast<int>(row / height),
                                                                    static_cast<int>(row % height), channel);
        });
      }
    });
    if (own) return;
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < rows; ++row) {
      depthwise_row_general<T>(problem, args, static_cast<int>(row / height), static_cast<int>(row % height));
    }
  });
}

THAW_SIMD_END
