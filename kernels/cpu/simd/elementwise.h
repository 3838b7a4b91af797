#pragma once

#include "kernels/cpu/simd/isa.h"

THAW_SIMD_BEGIN

// Element-wise kernels. Outputs may be inputs (same pointer), which `omp simd` allows.

void act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y) {
  with_activation_type(dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    pointwise::with_activation(act, [&](auto functor) {
      for_piece_strips(count, [=](std::int64_t first, int n) THAW_LAMBDA_INLINE {
        Strip in;
        Strip out;
        T* to = as<T>(y) + first;
        float* strip = line_for(to, out.at);
        activate<decltype(functor)>(read_line(as<T>(x) + first, n, in.at), strip, n);
        write_line(to, strip, n);
      });
    });
  });
}

template <class A>
THAW_SIMD_INLINE void differentiate(const float* x, const float* dy, float* dx, int n) {
#pragma omp simd
  for (int i = 0; i < n; ++i) dx[i] = dy[i] * A::derivative(x[i]);
}

void act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx) {
  with_activation_type(dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    pointwise::with_activation(act, [&](auto functor) {
      for_piece_strips(count, [=](std::int64_t first, int n) THAW_LAMBDA_INLINE {
        Strip value;
        Strip gradient;
        Strip out;
        T* to = as<T>(dx) + first;
        float* strip = line_for(to, out.at);
        const float* at = read_line(as<T>(x) + first, n, value.at);
        differentiate<decltype(functor)>(at, read_line(as<T>(dy) + first, n, gradient.at), strip, n);
        write_line(to, strip, n);
      });
    });
  });
}

void add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) {
  with_activation_type(dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    for_piece_strips(count, [=](std::int64_t first, int n) THAW_LAMBDA_INLINE {
      Strip left_line;
      Strip right_line;
      Strip out;
      T* to = as<T>(y) + first;
      float* line = line_for(to, out.at);
      const float* left = read_line(as<T>(a) + first, n, left_line.at);
      const float* right = read_line(as<T>(b) + first, n, right_line.at);
#pragma omp simd
      for (int i = 0; i < n; ++i) line[i] = left[i] + right[i];
      write_line(to, line, n);
    });
  });
}

void dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) {
  with_activation_type(dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    for_piece_strips(count, [=](std::int64_t first, int n) THAW_LAMBDA_INLINE {
      Strip in;
      Strip out;
      T* to = as<T>(y) + first;
      float* line = line_for(to, out.at);
      const float* from = read_line(as<T>(x) + first, n, in.at);
#pragma omp simd
      for (int i = 0; i < n; ++i) {
        line[i] = from[i] * pointwise::dropout_factor(rate, seed, static_cast<std::uint64_t>(first + i));
      }
      write_line(to, line, n);
    });
  });
}

// Casts and pixels go through double where a side is f64, and through float otherwise.

THAW_SIMD_INLINE double load(const double* x) { return *x; }
THAW_SIMD_INLINE float load(const std::uint8_t* x) { return static_cast<float>(*x); }
THAW_SIMD_INLINE double load(const std::int32_t* x) { return static_cast<double>(*x); }
THAW_SIMD_INLINE void store(double* y, double value) { *y = value; }
THAW_SIMD_INLINE void store(double* y, float value) { *y = static_cast<double>(value); }
THAW_SIMD_INLINE void store(float* y, double value) { *y = static_cast<float>(value); }
THAW_SIMD_INLINE void store(Half* y, double value) { store(y, static_cast<float>(value)); }

template <class F>
THAW_SIMD_INLINE void with_input_type(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f32: f(static_cast<float*>(nullptr)); break;
    case Dtype::bf16: f(static_cast<Half*>(nullptr)); break;
    case Dtype::f64: f(static_cast<double*>(nullptr)); break;
    case Dtype::u8: f(static_cast<std::uint8_t*>(nullptr)); break;
    case Dtype::i32: f(static_cast<std::int32_t*>(nullptr)); break;
  }
}

template <class F>
THAW_SIMD_INLINE void with_output_type(Dtype dtype, F&& f) {
  if (dtype == Dtype::f64) {
    f(static_cast<double*>(nullptr));
  } else {
    with_activation_type(dtype, f);
  }
}

void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) {
  with_input_type(from, [&](auto* in) {
    with_output_type(to, [&](auto* out) {
      using In = typename Pointee<decltype(in)>::type;
      using Out = typename Pointee<decltype(out)>::type;
      for_pieces(count, [=](std::int64_t first, std::int64_t n) {
        const In* source = as<In>(x) + first;
        Out* target = as<Out>(y) + first;
#pragma omp simd
        for (std::int64_t i = 0; i < n; ++i) store(target + i, load(source + i));
      });
    });
  });
}

/// Computed in double, so that every backend rounds the same number.
void preprocess(const PreprocessProblem& problem, const void* pixels, void* y) {
  const std::int64_t count = std::int64_t{problem.n} * problem.hw;
  const int first_channel = problem.bgr ? 2 : 0;
  const int channel_step = problem.bgr ? -1 : 1;
  with_input_type(problem.input, [&](auto* in) {
    with_output_type(problem.output, [&](auto* out) {
      using In = typename Pointee<decltype(in)>::type;
      using Out = typename Pointee<decltype(out)>::type;
      for_pieces(count, [&](std::int64_t first, std::int64_t n) {
        const In* source = as<In>(pixels) + first * 3;
        Out* target = as<Out>(y) + first * 3;
        for (int c = 0; c < 3; ++c) {
          const In* from = source + first_channel + channel_step * c;
          Out* to = target + c;
          const double offset = problem.offset[c];
          const double scale = problem.scale;
#pragma omp simd
          for (std::int64_t i = 0; i < n; ++i) {
            store(to + 3 * i, (static_cast<double>(load(from + 3 * i)) + offset) * scale);
          }
        }
      });
    });
  });
}

THAW_SIMD_END
