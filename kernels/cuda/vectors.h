#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/pointwise.h"

namespace thaw::cuda {

/// V neighbours in memory that are loaded and stored at once, 16 bytes in one access.
template <class T, int V>
struct alignas(std::min<std::size_t>(sizeof(T) * V, 16)) Pack {
  T lane[V];
};

template <int V, class T>
__device__ __forceinline__ void load(const T* from, float (&to)[V]) {
  const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(from);
#pragma unroll
  for (int i = 0; i < V; ++i) to[i] = to_float(pack.lane[i]);
}

template <int V, class T>
__device__ __forceinline__ void store(T* to, const float (&from)[V]) {
  Pack<T, V> pack;
#pragma unroll
  for (int i = 0; i < V; ++i) pack.lane[i] = from_float<T>(from[i]);
  *reinterpret_cast<Pack<T, V>*>(to) = pack;
}

/// Elements of 16 bytes, the widest access of a thread.
template <class T>
constexpr int widest = 16 / static_cast<int>(sizeof(T));

template <class T>
struct Tag {
  using Type = T;
};

template <int V>
struct Width {
  static constexpr int value = V;
};

/// Throws `Error` (device): no kernel takes activations of this type.
[[noreturn]] void fail_cuda_dtype(Dtype dtype);

/// Calls f with the type of activations of `dtype`.
template <class F>
void with_activations(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f32: f(Tag<float>{}); return;
    case Dtype::bf16: f(Tag<bf16>{}); return;
    default: fail_cuda_dtype(dtype);
  }
}

/// As `with_activations`, for pixels too.
template <class F>
void with_elements(Dtype dtype, F&& f) {
  if (dtype == Dtype::u8) return f(Tag<std::uint8_t>{});
  with_activations(dtype, f);
}

inline bool aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

/// Calls f with the number of channels that a thread takes at once: as many as 16 bytes hold where `c` and every
/// pointer allow it, else one.
template <class T, class F>
void with_width(std::int64_t c, std::initializer_list<const void*> pointers, F&& f) {
  if (c % widest<T> == 0 && std::all_of(pointers.begin(), pointers.end(), aligned)) return f(Width<widest<T>>{});
  f(Width<1>{});
}

constexpr unsigned ceil_div(std::int64_t a, std::int64_t b) { return static_cast<unsigned>((a + b - 1) / b); }

/// Threads of a block over a (rows, C) array: `lanes` side by side in x, each with V channels, the rest of the 256 over
/// rows in y. Both are powers of two.
struct Tile {
  static constexpr int threads = 256;

  Tile(std::int64_t c, int width) : vectors(static_cast<int>(c / width)) {
    while (lanes < 32 && lanes < vectors) lanes *= 2;
  }
  [[nodiscard]] int rows() const { return threads / lanes; }
  /// Blocks that cover the channels.
  [[nodiscard]] unsigned across() const { return ceil_div(vectors, lanes); }
  [[nodiscard]] dim3 block() const { return {static_cast<unsigned>(lanes), static_cast<unsigned>(rows()), 1}; }

  int vectors;
  int lanes = 1;
};

}  // namespace thaw::cuda
