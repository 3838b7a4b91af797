#pragma once

#include "kernels/cpu/simd/lines.h"
#include "kernels/cpu/simd/vectors.h"

THAW_SIMD_BEGIN

// Pooling and explicit padding. A unit of work is a row of the output (forward) or of the input (backward), so that the
// backward call gathers: every dx is written once, by one thread, in a fixed order.

/// The part of a window that lies inside the image: rows [top, bottom), columns [left, right).
struct Window {
  int top, bottom, left, right;
};

THAW_SIMD_INLINE Window window_at(const PoolProblem& problem, int p, int q) {
  const int top = p * problem.stride - problem.pad.top;
  const int left = q * problem.stride - problem.pad.left;
  return {most(0, top), least(problem.h, top + problem.r), most(0, left), least(problem.w, left + problem.s)};
}

/// 1 / (pixels that an average divides by); 0 for a window without pixels.
THAW_SIMD_INLINE float average_weight(const PoolProblem& problem, const Window& window) {
  const int inside = most(0, window.bottom - window.top) * most(0, window.right - window.left);
  const int pixels = problem.count_padding ? problem.r * problem.s : inside;
  return pixels == 0 ? 0.0F : 1.0F / static_cast<float>(pixels);
}

/// Maximum of `n` channels over a window and, where wanted, its first position h*W+w. A NaN wins, so that it is seen. A
/// window without pixels gives 0 at position -1.
template <bool Positions, class T>
THAW_SIMD_INLINE void max_window(const PoolProblem& problem, const T* x, const Window& window, int n, T* y,
                                 std::int32_t* indices) {
  Strip buffer;
  Strip best;
  alignas(64) std::int32_t position[Positions ? strip_floats : 1];
  const bool empty = window.top >= window.bottom || window.left >= window.right;
  const std::int32_t first = empty ? -1 : window.top * problem.w + window.left;
  for (int i = 0; i < n; ++i) {
    best.at[i] = empty ? 0.0F : load(x + std::int64_t{first} * problem.c + i);
    if constexpr (Positions) position[i] = first;
  }
  for (int h = window.top; h < window.bottom; ++h) {
    for (int w = window.left; w < window.right; ++w) {
      const std::int32_t at = h * problem.w + w;
      const float* pixel = read_line(x + std::int64_t{at} * problem.c, n, buffer.at);
#pragma omp simd
      for (int i = 0; i < n; ++i) {
        const float value = pixel[i];
        const bool better = value > best.at[i] || (value != value && best.at[i] == best.at[i]);
        best.at[i] = better ? value : best.at[i];
        if constexpr (Positions) position[i] = better ? at : position[i];
      }
    }
  }
  float* line = line_for(y, best.at);
  for (int i = 0; i < n; ++i) line[i] = best.at[i];
  write_line(y, line, n);
  if constexpr (Positions) {
    for (int i = 0; i < n; ++i) indices[i] = position[i];
  }
}

/// The same for a whole strip and without positions: the maxima stay in registers.
template <class T>
THAW_SIMD_INLINE void max_strip(const PoolProblem& problem, const T* x, const Window& window, T* y) {
  constexpr int vectors = strip_floats / vector_floats;
  vec<vector_floats> best[vectors] = {};
  if (window.top < window.bottom && window.left < window.right) {
    load_channels<vector_floats>(x + (std::int64_t{window.top} * problem.w + window.left) * problem.c, best);
  }
  for (int h = window.top; h < window.bottom; ++h) {
    const T* pixel = x + (std::int64_t{h} * problem.w + window.left) * problem.c;
    for (int w = window.left; w < window.right; ++w, pixel += problem.c) {
      fetch_ahead(pixel, strip_floats);
      vec<vector_floats> value[vectors];
      load_channels<vector_floats>(pixel, value);
      unrolled<vectors>([&](auto v) THAW_LAMBDA_INLINE {
        const auto larger = value[v.value] > best[v.value] ? value[v.value] : best[v.value];
        best[v.value] = value[v.value] != value[v.value] ? value[v.value] : larger;
      });
    }
  }
  store_channels<vector_floats>(y, best);
}

template <class T>
THAW_SIMD_INLINE void average_window(const PoolProblem& problem, const T* x, const Window& window, int n, T* y) {
  Strip buffer;
  Strip sum = {};
  for (int h = window.top; h < window.bottom; ++h) {
    for (int w = window.left; w < window.right; ++w) {
      const float* pixel = read_line(x + (std::int64_t{h} * problem.w + w) * problem.c, n, buffer.at);
#pragma omp simd
      for (int i = 0; i < n; ++i) sum.at[i] += pixel[i];
    }
  }
  const float weight = average_weight(problem, window);
  float* line = line_for(y, sum.at);
#pragma omp simd
  for (int i = 0; i < n; ++i) line[i] = sum.at[i] * weight;
  write_line(y, line, n);
}

/// One image's mean over all pixels: a line takes several pixels of few channels.
template <class T>
void global_average(const PoolProblem& problem, const T* x, T* y) {
  const std::int64_t pixels = std::int64_t{problem.h} * problem.w;
  for (int b = 0; b < blocks_of(problem.c); ++b) {
    const Block block = block_of(problem.c, b * line_floats);
    LineSum sum(block);
    for_lines(0, pixels, problem.c, block, [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
      Strip in;
      sum.add(read_line(x + offset, n, in.at), at, n);
    });
    const double* total = sum.finish();
    for (int i = 0; i < block.width; ++i) {
      store(y + block.first + i, static_cast<float>(total[i] / static_cast<double>(pixels)));
    }
  }
}

THAW_SIMD_INLINE bool is_global(const PoolProblem& problem) {
  const Pad& pad = problem.pad;
  return problem.r == problem.h && problem.s == problem.w && (pad.top | pad.bottom | pad.left | pad.right) == 0;
}

void pool_forward(const PoolProblem& problem, const void* x, void* y, std::int32_t* indices) {
  const int c = problem.c;
  const int height = out_height(problem);
  const int width = out_width(problem);
  const std::int64_t image_size = std::int64_t{problem.h} * problem.w * c;
  const std::int64_t rows = std::int64_t{problem.n} * height;
  const bool global = problem.kind == PoolKind::average && is_global(problem);
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
#pragma omp parallel for schedule(static) if (rows > 1)
    for (std::int64_t row = 0; row < rows; ++row) {
      const T* image = as<T>(x) + row / height * image_size;
      if (global) {
        global_average(problem, image, as<T>(y) + row * c);
        continue;
      }
      for (int q = 0; q < width; ++q) {
        const Window window = window_at(problem, static_cast<int>(row % height), q);
        for_strips(c, [&](std::int64_t first, int n) THAW_LAMBDA_INLINE {
          const std::int64_t at = (row * width + q) * c + first;
          if (problem.kind == PoolKind::max && indices != nullptr) {
            max_window<true>(problem, image + first, window, n, as<T>(y) + at, indices + at);
          } else if (problem.kind == PoolKind::max && n == strip_floats) {
            max_strip(problem, image + first, window, as<T>(y) + at);
          } else if (problem.kind == PoolKind::max) {
            max_window<false>(problem, image + first, window, n, as<T>(y) + at, nullptr);
          } else {
            average_window(problem, image + first, window, n, as<T>(y) + at);
          }
        });
      }
    }
  });
}

/// Gradient of one input pixel, `n` channels: the outputs whose window holds it, in their order. `dy` and `indices`
/// stand at the image's first output.
template <class T>
THAW_SIMD_INLINE void pool_gradient(const PoolProblem& problem, const T* dy, const std::int32_t* indices, int h, int w,
                                    int n, T* dx) {
  Strip sum = {};
  Strip gradient;
  const int stride = problem.stride;
  const int bottom = h + problem.pad.top;
  const int right = w + problem.pad.left;
  const int height = out_height(problem);
  const int width = out_width(problem);
  for (int p = most(0, (bottom - problem.r + stride) / stride); p < least(height, bottom / stride + 1); ++p) {
    for (int q = most(0, (right - problem.s + stride) / stride); q < least(width, right / stride + 1); ++q) {
      const std::int64_t at = (std::int64_t{p} * width + q) * problem.c;
      const float* from = read_line(dy + at, n, gradient.at);
      if (problem.kind == PoolKind::max) {
        const std::int32_t here = h * problem.w + w;
#pragma omp simd
        for (int i = 0; i < n; ++i) sum.at[i] += indices[at + i] == here ? from[i] : 0.0F;
      } else {
        const float weight = average_weight(problem, window_at(problem, p, q));
#pragma omp simd
        for (int i = 0; i < n; ++i) sum.at[i] += from[i] * weight;
      }
    }
  }
  float* line = line_for(dx, sum.at);
  for (int i = 0; i < n; ++i) line[i] = sum.at[i];
  write_line(dx, line, n);
}

/// Gradient of one row of pixels of a global average: the same line for every pixel.
template <class T>
void global_average_gradient(const PoolProblem& problem, const T* dy, T* dx) {
  const float weight = 1.0F / (static_cast<float>(problem.h) * static_cast<float>(problem.w));
  for (int b = 0; b < blocks_of(problem.c); ++b) {
    const Block block = block_of(problem.c, b * line_floats);
    alignas(64) float gradient[line_floats];
    alignas(64) T line[line_floats];
    fill_line(block, dy, gradient);
    for (int i = 0; i < block.repeat * block.width; ++i) store(line + i, gradient[i] * weight);
    for_lines(0, problem.w, problem.c, block, [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
      __builtin_memcpy(dx + offset, line + at, static_cast<std::size_t>(n) * sizeof(T));
    });
  }
}

void pool_backward(const PoolProblem& problem, const void* dy, const std::int32_t* indices, void* dx) {
  const int c = problem.c;
  const std::int64_t out_image = std::int64_t{out_height(problem)} * out_width(problem) * c;
  const std::int64_t rows = std::int64_t{problem.n} * problem.h;
  const bool global = problem.kind == PoolKind::average && is_global(problem);
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
#pragma omp parallel for schedule(static) if (rows > 1)
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t image = row / problem.h * out_image;
      if (global) {
        global_average_gradient(problem, as<T>(dy) + image, as<T>(dx) + row * problem.w * c);
        continue;
      }
      for (int w = 0; w < problem.w; ++w) {
        for_strips(c, [&](std::int64_t first, int n) THAW_LAMBDA_INLINE {
          pool_gradient(problem, as<T>(dy) + image + first, indices == nullptr ? nullptr : indices + image + first,
                        static_cast<int>(row % problem.h), w, n, as<T>(dx) + (row * problem.w + w) * c + first);
        });
      }
    }
  });
}

THAW_SIMD_INLINE std::int64_t element_bytes(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return 8;
    case Dtype::f32:
    case Dtype::i32: return 4;
    case Dtype::bf16: return 2;
    case Dtype::u8: return 1;
  }
  return 0;
}

void pad_forward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y) {
  const std::int64_t pixel = element_bytes(dtype) * c;
  const int height = h + pad.top + pad.bottom;
  const int width = w + pad.left + pad.right;
  const std::int64_t rows = std::int64_t{n} * height;
#pragma omp parallel for schedule(static) if (rows > 1)
  for (std::int64_t row = 0; row < rows; ++row) {
    char* to = as<char>(y) + row * width * pixel;
    const int from_row = static_cast<int>(row % height) - pad.top;
    if (from_row < 0 || from_row >= h) {
      __builtin_memset(to, 0, static_cast<std::size_t>(width * pixel));
      continue;
    }
    const char* from = as<char>(x) + (row / height * h + from_row) * w * pixel;
    __builtin_memset(to, 0, static_cast<std::size_t>(pad.left * pixel));
    __builtin_memcpy(to + pad.left * pixel, from, static_cast<std::size_t>(w * pixel));
    __builtin_memset(to + (pad.left + w) * pixel, 0, static_cast<std::size_t>(pad.right * pixel));
  }
}

void pad_backward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx) {
  const std::int64_t pixel = element_bytes(dtype) * c;
  const std::int64_t width = w + pad.left + pad.right;
  const std::int64_t height = h + pad.top + pad.bottom;
  const std::int64_t rows = std::int64_t{n} * h;
#pragma omp parallel for schedule(static) if (rows > 1)
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t from_row = row / h * height + row % h + pad.top;
    __builtin_memcpy(as<char>(dx) + row * w * pixel, as<char>(dy) + (from_row * width + pad.left) * pixel,
                     static_cast<std::size_t>(w * pixel));
  }
}

THAW_SIMD_END
