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

/// `n` pixels of three channels in their order, computed in double, so that every backend rounds the same number.
template <class In, class Out>
THAW_SIMD_INLINE void preprocess_in_order(const PreprocessProblem& problem, const In* from, std::int64_t n, Out* to) {
  constexpr int period = 48;  // whole vectors of whole pixels
  alignas(64) double offset[period];
  for (int i = 0; i < period; ++i) offset[i] = problem.offset[i % 3];
  const double scale = problem.scale;
  std::int64_t i = 0;
  for (; i + period <= 3 * n; i += period) {
    fetch_ahead(from + i, period);
    fetch_ahead<true>(to + i, period);
#pragma omp simd
    for (int j = 0; j < period; ++j) store(to + i + j, (static_cast<double>(load(from + i + j)) + offset[j]) * scale);
  }
  for (; i < 3 * n; ++i) store(to + i, (static_cast<double>(load(from + i)) + offset[i % period]) * scale);
}

/// The same with the first and last channel exchanged.
template <class In, class Out>
THAW_SIMD_INLINE void preprocess_swapped(const PreprocessProblem& problem, const In* from, std::int64_t n, Out* to) {
  const double scale = problem.scale;
  for (int c = 0; c < 3; ++c) {
    const double offset = problem.offset[c];
#pragma omp simd
    for (std::int64_t i = 0; i < 3 * n; i += 3) {
      store(to + i + c, (static_cast<double>(load(from + i + 2 - c)) + offset) * scale);
    }
  }
}

void preprocess(const PreprocessProblem& problem, const void* pixels, void* y) {
  with_input_type(problem.input, [&](auto* in) {
    with_output_type(problem.output, [&](auto* out) {
      using In = typename Pointee<decltype(in)>::type;
      using Out = typename Pointee<decltype(out)>::type;
      for_pieces(std::int64_t{problem.n} * problem.hw, [&](std::int64_t first, std::int64_t n) {
        const In* from = as<In>(pixels) + first * 3;
        Out* to = as<Out>(y) + first * 3;
        if (problem.bgr) {
          preprocess_swapped(problem, from, n, to);
        } else {
          preprocess_in_order(problem, from, n, to);
        }
      });
    });
  });
}

THAW_SIMD_END
