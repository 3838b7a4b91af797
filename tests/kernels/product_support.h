#pragma once

#include "tests/kernels/simd_support.h"

namespace thaw::simd_test {

/// What an element of the type holds after rounding.
inline double rounded(double value, Dtype dtype) {
  const auto single = static_cast<float>(value);
  return static_cast<double>(dtype == Dtype::bf16 ? static_cast<float>(bf16(single)) : single);
}

/// Integers from -2 to 2, small enough for every sum of products to be exact in f32.
inline std::vector<float> integers(std::int64_t count, int seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>((static_cast<int>(i) * 3 + seed) % 5 - 2);
  }
  return values;
}

/// f(y index, x index, w index) for every product of the convolution but for the channels.
template <class F>
void for_taps(const ConvProblem& p, const F& f) {
  for (int n = 0; n < p.n; ++n) {
    for (int i = 0; i < p.p(); ++i) {
      for (int j = 0; j < p.q(); ++j) {
        for (int tap = 0; tap < p.r * p.s; ++tap) {
          const int h = i * p.stride + tap / p.s - p.pad.top;
          const int w = j * p.stride + tap % p.s - p.pad.left;
          if (h < 0 || h >= p.h || w < 0 || w >= p.w) continue;
          f((std::int64_t{n} * p.p() + i) * p.q() + j, (std::int64_t{n} * p.h + h) * p.w + w, tap);
        }
      }
    }
  }
}

}  // namespace thaw::simd_test
