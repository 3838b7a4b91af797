#pragma once

#include "kernels/cpu/simd/isa.h"

THAW_SIMD_BEGIN

template <int I>
struct Constant {
  static constexpr int value = I;
};

/// Calls f(Constant<I>{}) for I = 0..N-1, unrolled by the front end: arrays indexed by I become registers.
template <int N, int I = 0, class F>
THAW_SIMD_INLINE void unrolled(const F& f) {
  if constexpr (I < N) {
    f(Constant<I>{});
    unrolled<N, I + 1>(f);
  }
}

/// Loads V vectors of W neighbouring channels.
template <int W, int V, class T>
THAW_SIMD_INLINE void load_channels(const T* from, vec<W> (&to)[V]) {
  unrolled<V>([&](auto v) THAW_LAMBDA_INLINE { to[v.value] = load_vector<W>(from + v.value * W); });
}

/// Stores V vectors of W neighbouring channels.
template <int W, int V, class T>
THAW_SIMD_INLINE void store_channels(T* to, const vec<W> (&from)[V]) {
  unrolled<V>([&](auto v) THAW_LAMBDA_INLINE { store_vector<W>(to + v.value * W, from[v.value]); });
}

THAW_SIMD_END
