#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/simd/plan.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/pointwise.h"

#if defined(__AVX512F__)
#include <immintrin.h>  // its functions are always inlined
#endif

// The kernel bodies are compiled once per instruction set, each time in a namespace of its own. Two rules keep an
// instruction of a better processor out of the code that a lesser one runs: everything has internal linkage (anonymous
// namespace) or is always inlined, and no inline function of the standard library or of another header is called, since
// the linker may keep any one of its copies.

#ifndef THAW_SIMD_ISA
#define THAW_SIMD_ISA baseline
#endif

#if defined(__AVX512F__)
#define THAW_SIMD_WIDTH 16
#elif defined(__AVX__)
#define THAW_SIMD_WIDTH 8
#else
#define THAW_SIMD_WIDTH 4
#endif

#define THAW_SIMD_BEGIN                 \
  namespace thaw::simd::THAW_SIMD_ISA { \
  namespace {
#define THAW_SIMD_END \
  }                   \
  }

THAW_SIMD_BEGIN

constexpr int vector_floats = THAW_SIMD_WIDTH;

/// bfloat16 in memory: the bits of thaw::bf16, whose members are not always inlined.
using Half = std::uint16_t;

THAW_SIMD_INLINE float load(const float* x) { return *x; }
THAW_SIMD_INLINE float load(const Half* x) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(*x) << 16); }
THAW_SIMD_INLINE void store(float* y, float value) { *y = value; }
/// Rounds to nearest even and keeps a NaN a NaN: the same bits as thaw::bf16(value).
THAW_SIMD_INLINE void store(Half* y, float value) {
  const auto u = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t rounded = u + 0x7fffU + ((u >> 16) & 1U);
  const std::uint32_t nan = u | 0x400000U;
  *y = static_cast<Half>(((u & 0x7fffffffU) > 0x7f800000U ? nan : rounded) >> 16);
}

/// Calls f with a null pointer of the activation type of `dtype` (f32 or bf16): a loop is compiled once for each.
template <class F>
THAW_SIMD_INLINE void with_activation_type(Dtype dtype, F&& f) {
  if (dtype == Dtype::bf16) {
    f(static_cast<Half*>(nullptr));
  } else {
    f(static_cast<float*>(nullptr));
  }
}

/// The element type of a null pointer that `with_activation_type` handed over.
template <class T>
struct Pointee;
template <class T>
struct Pointee<T*> {
  using type = T;
};

template <class T>
THAW_SIMD_INLINE const T* as(const void* block) {
  return static_cast<const T*>(block);
}
template <class T>
THAW_SIMD_INLINE T* as(void* block) {
  return static_cast<T*>(block);
}

/// How far ahead the streams of a sweep are fetched. Left to itself a core keeps too few requests under way for the
/// latency of memory (a norm's backward sweep: 27 GB/s on two cores, 32 with this).
constexpr int ahead_bytes = 4096;

/// Asks for the line that a sweep now at `at` will read (or, Written, write) `ahead_bytes` from now.
template <bool Written = false>
THAW_SIMD_INLINE void fetch_ahead(const void* at) {
  __builtin_prefetch(as<char>(at) + ahead_bytes, Written ? 1 : 0, 2);
}
/// The same for the lines of n elements.
template <bool Written = false, class T>
THAW_SIMD_INLINE void fetch_ahead(const T* at, int n) {
  for (int i = 0; i < n; i += 64 / static_cast<int>(sizeof(T))) fetch_ahead<Written>(at + i);
}

/// `W` floats as one register (or several, or a part: the compiler knows).
template <int W>
struct Vector {
  typedef float type __attribute__((vector_size(W * sizeof(float))));
  typedef std::uint32_t bits __attribute__((vector_size(W * sizeof(std::uint32_t))));
  typedef std::uint16_t halves __attribute__((vector_size(W * sizeof(std::uint16_t))));
};

template <int W>
using vec = typename Vector<W>::type;

template <int W>
THAW_SIMD_INLINE vec<W> load_vector(const float* x) {
  vec<W> v;
  __builtin_memcpy(&v, x, sizeof(v));
  return v;
}
template <int W>
THAW_SIMD_INLINE vec<W> load_vector(const Half* x) {
  typename Vector<W>::halves h;
  __builtin_memcpy(&h, x, sizeof(h));
  const typename Vector<W>::bits wide = __builtin_convertvector(h, typename Vector<W>::bits) << 16;
  return (vec<W>)wide;  // a vector cast keeps the bits
}
template <int W>
THAW_SIMD_INLINE void store_vector(float* y, vec<W> v) {
  __builtin_memcpy(y, &v, sizeof(v));
}
/// Where the processor rounds to bf16 itself, whole registers are left to it. It does so with the same bits but for
/// denormal numbers, which it takes for zero, as all arithmetic of the backend's threads does.
template <int W>
THAW_SIMD_INLINE void store_vector(Half* y, vec<W> v) {
#if defined(__AVX512BF16__)
  if constexpr (W == 16) {
    const __m256bh rounded = _mm512_cvtneps_pbh((__m512)v);
    __builtin_memcpy(y, &rounded, sizeof(rounded));
    return;
  }
#endif
  using Bits = typename Vector<W>::bits;
  const Bits u = (Bits)v;
  const Bits rounded = u + 0x7fffU + ((u >> 16) & 1U);
  const Bits kept = (Bits)(v != v) != 0U ? u | 0x400000U : rounded;
  const auto h = __builtin_convertvector(kept >> 16, typename Vector<W>::halves);
  __builtin_memcpy(y, &h, sizeof(h));
}

// Arithmetic loops see f32 only: bf16 elements are widened into a buffer first and narrowed from one afterwards (in
// registers, where n is the constant of a strip), f32 elements are used where they lie.

THAW_SIMD_INLINE const float* read_line(const float* x, int n, float* /*buffer*/) {
  fetch_ahead(x, n);
  return x;
}
THAW_SIMD_INLINE const float* read_line(const Half* x, int n, float* buffer) {
  fetch_ahead(x, n);
  int i = 0;
  for (; i + vector_floats <= n; i += vector_floats) {
    store_vector<vector_floats>(buffer + i, load_vector<vector_floats>(x + i));
  }
  for (; i < n; ++i) buffer[i] = load(x + i);
  return buffer;
}

/// Where to compute what `write_line` brings to y.
THAW_SIMD_INLINE float* line_for(float* y, float* /*buffer*/) { return y; }
THAW_SIMD_INLINE float* line_for(Half* /*y*/, float* buffer) { return buffer; }
THAW_SIMD_INLINE void write_line(float* y, const float* /*line*/, int n) { fetch_ahead<true>(y, n); }
THAW_SIMD_INLINE void write_line(Half* y, const float* line, int n) {
  fetch_ahead<true>(y, n);
  int i = 0;
  for (; i + vector_floats <= n; i += vector_floats) {
    store_vector<vector_floats>(y + i, load_vector<vector_floats>(line + i));
  }
  for (; i < n; ++i) store(y + i, line[i]);
}

/// A buffer of a strip, and of a line.
struct Strip {
  alignas(64) float at[strip_floats];
};
struct Line {
  alignas(64) float at[line_floats];
};

/// Calls f(i, n) for the strips of `count` elements; f must be always inlined, so that n is a constant but in the last.
template <class F>
THAW_SIMD_INLINE void for_strips(std::int64_t count, const F& f) {
  std::int64_t i = 0;
  for (; i + strip_floats <= count; i += strip_floats) f(i, strip_floats);
  if (i < count) f(i, static_cast<int>(count - i));
}

/// y = act(x) for n floats; y may be x.
template <class A>
THAW_SIMD_INLINE void activate(const float* x, float* y, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = A::value(x[i]);
}

/// The same with the activation chosen at run time.
[[maybe_unused]] void activate(Act act, const float* x, float* y, std::int64_t n) {
  pointwise::with_activation(act, [&](auto functor) { activate<decltype(functor)>(x, y, n); });
}

/// Calls f(i, n) for consecutive pieces [i, i+n) of at most `chunk_elements` elements, in parallel.
template <class F>
THAW_SIMD_INLINE void for_pieces(std::int64_t count, F f) {
  const std::int64_t pieces = ceil_div(count, chunk_elements);
#pragma omp parallel for schedule(static) if (pieces > 1)
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    const std::int64_t first = piece * chunk_elements;
    f(first, least(chunk_elements, count - first));
  }
}

/// Calls f(i, n) for the strips of `count` elements, in parallel by pieces.
template <class F>
THAW_SIMD_INLINE void for_piece_strips(std::int64_t count, const F& f) {
  for_pieces(count, [&](std::int64_t first, std::int64_t n) {
    for_strips(n, [&](std::int64_t i, int width) THAW_LAMBDA_INLINE { f(first + i, width); });
  });
}

THAW_SIMD_END
