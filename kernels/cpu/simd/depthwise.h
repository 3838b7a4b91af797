#pragma once

#include "kernels/cpu/simd/lines.h"

THAW_SIMD_BEGIN

// Depthwise convolution, forward. Registers hold `columns` neighbouring outputs of a pair of vectors of channels, so
// that a loaded pixel serves every output whose window it is in.

/// 32 registers have room for 7 columns, of which the widths 112, 56, 28, 14 and 7 are multiples.
constexpr int columns = vector_floats == 16 ? 7 : 4;
/// The filter shapes below need at least this many channels.
constexpr int least_pair_channels = 8;
/// Bytes of the input rows that a thread takes at once, for all their channels: half a MiB of L2 at most.
constexpr std::int64_t band_bytes = 256 * 1024;

/// Calls f(Constant<W>) with the widest vectors of which a pair fits `c` channels. Returns false for fewer than 8.
template <class F>
THAW_SIMD_INLINE bool with_pair_width(int c, const F& f) {
  if (c < least_pair_channels) return false;
  if constexpr (vector_floats >= 16) {
    if (c >= 32) {
      f(Constant<16>{});
      return true;
    }
  }
  if constexpr (vector_floats >= 8) {
    if (c >= 16) {
      f(Constant<8>{});
      return true;
    }
  }
  f(Constant<4>{});
  return true;
}

/// Pairs of W vectors that cover `c` channels, and the first channel of one of them: the last pair overlaps the one
/// before, whose channels it computes again.
template <int W>
THAW_SIMD_INLINE int pairs_of(int c) {
  return (c + 2 * W - 1) / (2 * W);
}
template <int W>
THAW_SIMD_INLINE int first_of_pair(int c, int pair) {
  return least(pair * 2 * W, c - 2 * W);
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

/// A filter's K x K taps for one pair, and its bias, in the order of pairs of T.
template <int K, int W, class T>
struct PairFilter {
  alignas(64) float tap[K * K][2 * W];
  alignas(64) float bias[2 * W];

  /// Flipped: turned by 180 degrees. `bias_values` may be null.
  PairFilter(const float* w, const float* bias_values, int c, int channel, bool flipped) {
    const T* type = nullptr;
    for (int t = 0; t < K * K; ++t) {
      const float* from = w + std::int64_t{flipped ? K * K - 1 - t : t} * c + channel;
      for (int i = 0; i < 2 * W; ++i) tap[t][place_in_pairs<W>(type, i)] = from[i];
    }
    for (int i = 0; i < 2 * W; ++i) {
      bias[place_in_pairs<W>(type, i)] = bias_values == nullptr ? 0.0F : bias_values[channel + i];
    }
  }
};

template <int W>
THAW_SIMD_INLINE void multiply_add(Pair<W>& sum, const Pair<W>& a, const Pair<W>& b) {
  sum.half[0] += a.half[0] * b.half[0];
  sum.half[1] += a.half[1] * b.half[1];
}

/// `columns` outputs of row p from column q on, with the bias. Checked: some input columns lie outside the image.
template <int K, int Stride, int W, bool Checked, class T>
THAW_SIMD_INLINE void depthwise_columns(const ConvProblem& problem, const T* image, const PairFilter<K, W, T>& filter,
                                        int p, int q, Pair<W> (&sum)[columns]) {
  unrolled<columns>([&](auto j) THAW_LAMBDA_INLINE { sum[j.value] = load_pair<W>(filter.bias); });
  const int left = q * Stride - problem.pad.left;
  const std::int64_t c = problem.c;
  for (int r = 0; r < K; ++r) {
    const int ih = p * Stride + r - problem.pad.top;
    if (ih < 0 || ih >= problem.h) continue;
    Pair<W> tap[K];
    unrolled<K>([&](auto s) THAW_LAMBDA_INLINE { tap[s.value] = load_pair<W>(filter.tap[r * K + s.value]); });
    const T* row = image + (std::int64_t{ih} * problem.w + left) * c;
    unrolled<(columns - 1) * Stride + K>([&](auto e) THAW_LAMBDA_INLINE {
      const int iw = left + e.value;
      if (Checked && (iw < 0 || iw >= problem.w)) return;
      const Pair<W> pixel = load_pair<W>(row + e.value * c);
      unrolled<columns>([&](auto j) THAW_LAMBDA_INLINE {
        constexpr int s = decltype(e)::value - decltype(j)::value * Stride;
        if constexpr (s >= 0 && s < K) multiply_add(sum[j.value], pixel, tap[s]);
      });
    });
  }
}

/// Adds the residual, applies the activation and stores `used` pixels at y.
template <int W, class T>
THAW_SIMD_INLINE void depthwise_store(const ConvProblem& problem, const T* residual, T* y, int used,
                                      Pair<W> (&sum)[columns]) {
  unrolled<columns>([&](auto j) THAW_LAMBDA_INLINE {
    if (j.value >= used) return;
    const std::int64_t at = j.value * std::int64_t{problem.k};
    if (residual != nullptr) {
      const Pair<W> more = load_pair<W>(residual + at);
      sum[j.value].half[0] += more.half[0];
      sum[j.value].half[1] += more.half[1];
    }
    if (problem.act != Act::linear) {
      alignas(64) float line[2 * W];
      store_pair<W>(line, sum[j.value]);
      activate(problem.act, line, line, 2 * W);
      sum[j.value] = load_pair<W>(line);
    }
    store_pair<W>(y + at, sum[j.value]);
  });
}

/// Asks for the cache lines that the next band needs, a few at a time while this one is computed: pixels are taken a
/// part of their channels at a time, in steps that the processor does not foresee.
class ReadAhead {
 public:
  /// Null: of nothing.
  explicit ReadAhead(const void* at) : at_(static_cast<const char*>(at)) {}
  template <int Lines>
  THAW_SIMD_INLINE void fetch() {
    if (at_ == nullptr) return;
    unrolled<Lines>([&](auto i) THAW_LAMBDA_INLINE { __builtin_prefetch(at_ + 64 * i.value, 0, 2); });
    at_ += 64 * Lines;
  }

 private:
  const char* at_;
};

/// Output rows [first, end) of one image and pair. `x`, `residual` (or null) and `y` stand at the image's first pixel,
/// at the pair's channel.
template <int K, int Stride, int W, class T>
void depthwise_rows(const ConvProblem& problem, const PairFilter<K, W, T>& filter, const T* x, const T* residual, T* y,
                    int first, int end, ReadAhead& next_x, ReadAhead& next_y) {
  const int width = out_width(problem);
  for (int p = first; p < end; ++p) {
    for (int q = 0; q < width; q += columns) {
      const int left = q * Stride - problem.pad.left;
      const std::int64_t at = (std::int64_t{p} * width + q) * problem.c;
      Pair<W> sum[columns];
      constexpr int lines = (columns * 2 * W * static_cast<int>(sizeof(T)) + 63) / 64;
      next_x.fetch<lines * Stride * Stride>();
      next_y.fetch<lines>();
      if (left >= 0 && left + (columns - 1) * Stride + K <= problem.w) {
        depthwise_columns<K, Stride, W, false>(problem, x, filter, p, q, sum);
      } else {
        depthwise_columns<K, Stride, W, true>(problem, x, filter, p, q, sum);
      }
      depthwise_store<W>(problem, residual == nullptr ? nullptr : residual + at, y + at, least(columns, width - q),
                         sum);
    }
  }
}

/// Calls f(image, first row, end row) for bands of rows of `row_bytes` each, in parallel.
template <class F>
THAW_SIMD_INLINE void for_bands(int images, int rows, std::int64_t row_bytes, const F& f) {
  const std::int64_t step = most<std::int64_t>(1, least<std::int64_t>(rows, band_bytes / row_bytes));
  const std::int64_t bands = ceil_div(rows, step);
#pragma omp parallel for schedule(static)
  for (std::int64_t unit = 0; unit < images * bands; ++unit) {
    const std::int64_t first = unit % bands * step;
    f(unit / bands, static_cast<int>(first), static_cast<int>(least<std::int64_t>(first + step, rows)));
  }
}

/// 3x3 and 5x5 filters; false where there is no such kernel. Flipped: the filter is turned by 180 degrees.
template <class T>
bool depthwise_own(const ConvProblem& problem, const ConvForward& args, bool flipped) {
  const int c = problem.c;
  const std::int64_t in_image = std::int64_t{problem.h} * problem.w * c;
  const std::int64_t out_image = std::int64_t{out_height(problem)} * out_width(problem) * c;
  const auto row_bytes = std::int64_t{problem.w} * c * problem.stride * static_cast<std::int64_t>(sizeof(T));
  return c >= least_pair_channels && with_filter_shape(problem, [&](auto k, auto stride) {
           with_pair_width(c, [&](auto w) {
             for_bands(problem.n, out_height(problem), row_bytes, [&](std::int64_t image, int first, int end) {
               ReadAhead next_x(as<T>(args.x) + image * in_image + std::int64_t{end} * stride.value * problem.w * c);
               ReadAhead next_y(as<T>(args.y) + image * out_image + std::int64_t{end} * out_width(problem) * c);
               for (int pair = 0; pair < pairs_of<w.value>(c); ++pair) {
                 const int channel = first_of_pair<w.value>(c, pair);
                 const PairFilter<k.value, w.value, T> filter(
                     as<float>(args.w), problem.bias ? as<float>(args.bias) : nullptr, c, channel, flipped);
                 const T* residual = problem.residual ? as<T>(args.residual) + image * out_image + channel : nullptr;
                 depthwise_rows<k.value, stride.value>(problem, filter, as<T>(args.x) + image * in_image + channel,
                                                       residual, as<T>(args.y) + image * out_image + channel, first,
                                                       end, next_x, next_y);
               }
             });
           });
         });
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
    if (depthwise_own<T>(problem, args, false)) return;
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < rows; ++row) {
      depthwise_row_general<T>(problem, args, static_cast<int>(row / height), static_cast<int>(row % height));
    }
  });
}

THAW_SIMD_END
