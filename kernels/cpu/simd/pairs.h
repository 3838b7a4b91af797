#pragma once

#include "kernels/cpu/simd/vectors.h"

THAW_SIMD_BEGIN

// Neighbouring elements come and go two registers at a time. Of bf16 the first register has the even elements and the
// second the odd ones: a shift and a mask widen them, and a shift and a blend bring them back, where widening and
// narrowing in order would permute across the register twice. Values per element (a mean, a filter tap) are laid out in
// the same order once, by `place_in_pairs`.

/// Two registers of W floats.
template <int W>
struct Pair {
  vec<W> half[2];
};

template <int W>
THAW_SIMD_INLINE Pair<W> load_pair(const float* x) {
  return {{load_vector<W>(x), load_vector<W>(x + W)}};
}
template <int W>
THAW_SIMD_INLINE Pair<W> load_pair(const Half* x) {
  using Bits = typename Vector<W>::bits;
  Bits u;
  __builtin_memcpy(&u, x, sizeof(u));  // little-endian: an even element is the low half of its word
  return {{(vec<W>)(u << 16), (vec<W>)(u & 0xffff0000U)}};
}

/// The bits of v rounded to bf16, in the upper halves: the rule of `store`.
template <int W>
THAW_SIMD_INLINE typename Vector<W>::bits rounded_bits(vec<W> v) {
  using Bits = typename Vector<W>::bits;
  const Bits u = (Bits)v;
  const Bits rounded = u + 0x7fffU + ((u >> 16) & 1U);
  return v != v ? u | 0x400000U : rounded;
}

#if defined(__AVX512BF16__)
typedef std::uint16_t halves_order __attribute__((vector_size(64)));
/// Where the elements of two registers of 16 are that lie one behind the other, taken in turns.
constexpr halves_order alternate() {
  return halves_order{0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
}
#endif

template <int W>
THAW_SIMD_INLINE void store_pair(float* y, const Pair<W>& v) {
  store_vector<W>(y, v.half[0]);
  store_vector<W>(y + W, v.half[1]);
}
template <int W>
THAW_SIMD_INLINE void store_pair(Half* y, const Pair<W>& v) {
#if defined(__AVX512BF16__)
  if constexpr (W == 16) {
    constexpr halves_order in_turns = alternate();
    const __m512bh one_behind_the_other = _mm512_cvtne2ps_pbh((__m512)v.half[1], (__m512)v.half[0]);
    const auto turns = _mm512_permutexvar_epi16((__m512i)in_turns, (__m512i)one_behind_the_other);
    __builtin_memcpy(y, &turns, sizeof(turns));
    return;
  }
#endif
  const auto both = (rounded_bits<W>(v.half[0]) >> 16) | (rounded_bits<W>(v.half[1]) & 0xffff0000U);
  __builtin_memcpy(y, &both, sizeof(both));
}

/// Elements of a full pair, and the same in loops over elements.
constexpr int pair_floats = 2 * vector_floats;
using FullPair = Pair<vector_floats>;

/// The same of the first n elements in a sweep, zeros for the others; a constant n = pair_floats costs nothing.
template <class T>
THAW_SIMD_INLINE FullPair load_pair(const T* x, int n) {
  fetch_ahead(x, pair_floats);
  if (n == pair_floats) return load_pair<vector_floats>(x);
  T buffer[pair_floats] = {};
  for (int i = 0; i < n; ++i) buffer[i] = x[i];
  return load_pair<vector_floats>(buffer);
}
template <class T>
THAW_SIMD_INLINE void store_pair(T* y, const FullPair& v, int n) {
  fetch_ahead<true>(y, pair_floats);
  if (n == pair_floats) return store_pair<vector_floats>(y, v);
  T buffer[pair_floats];
  store_pair<vector_floats>(buffer, v);
  for (int i = 0; i < n; ++i) y[i] = buffer[i];
}

/// Place of element i among the floats of pairs of W: itself for f32.
template <int W>
THAW_SIMD_INLINE int place_in_pairs(const float* /*type*/, int i) {
  return i;
}
template <int W>
THAW_SIMD_INLINE int place_in_pairs(const Half* /*type*/, int i) {
  const int in_pair = i % (2 * W);
  return i - in_pair + in_pair % 2 * W + in_pair / 2;
}

/// One for each of the first n elements of a pair of T, zero for the others.
template <class T>
THAW_SIMD_INLINE FullPair ones_of_pair(int n) {
  const T* type = nullptr;
  alignas(64) float ones[pair_floats] = {};
  for (int i = 0; i < n; ++i) ones[place_in_pairs<vector_floats>(type, i)] = 1;
  return {{load_vector<vector_floats>(ones), load_vector<vector_floats>(ones + vector_floats)}};
}

/// Adds to the floats at `sum`.
THAW_SIMD_INLINE void add_vector(float* sum, vec<vector_floats> v) {
  store_vector<vector_floats>(sum, load_vector<vector_floats>(sum) + v);
}

/// Two registers computed from those of other pairs, half by half.
template <class F>
THAW_SIMD_INLINE FullPair each_half(const F& f) {
  FullPair y;
  unrolled<2>([&](auto h) THAW_LAMBDA_INLINE { y.half[h.value] = f(h); });
  return y;
}

THAW_SIMD_END
