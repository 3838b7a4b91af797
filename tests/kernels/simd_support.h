#pragma once

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/cpu/simd/simd.h"
#include "kernels/pointwise.h"

namespace thaw::simd_test {

/// Numbers of one type between guard bands, off any vector boundary, with their values in double.
class Array {
 public:
  Array(Dtype dtype, std::int64_t count) : dtype_(dtype), bytes_(2 * guard_bytes + size(count), guard_value) {
    std::memset(data(), 0xFF, size(count));
  }
  /// Deterministic values in [low, high), rounded to the type.
  static Array random(Dtype dtype, std::int64_t count, std::uint64_t seed, double low = -1, double high = 1) {
    Array array(dtype, count);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto u = static_cast<double>(pointwise::uniform(seed, static_cast<std::uint64_t>(i)));
      array.set(i, low + (high - low) * u);
    }
    return array;
  }

  [[nodiscard]] void* data() { return bytes_.data() + guard_bytes; }
  [[nodiscard]] float* f32() { return static_cast<float*>(data()); }
  [[nodiscard]] std::int64_t count() const {
    return static_cast<std::int64_t>((bytes_.size() - 2 * guard_bytes) / size_of(dtype_));
  }
  void set(std::int64_t i, double value) {
    if (dtype_ == Dtype::bf16) {
      const bf16 half(static_cast<float>(value));
      std::memcpy(place(i), &half, sizeof(half));
    } else {
      const auto single = static_cast<float>(value);
      std::memcpy(place(i), &single, sizeof(single));
    }
  }
  [[nodiscard]] double at(std::int64_t i) const {
    auto* from = const_cast<Array*>(this)->place(i);
    if (dtype_ == Dtype::bf16) {
      bf16 half;
      std::memcpy(&half, from, sizeof(half));
      return static_cast<double>(static_cast<float>(half));
    }
    float single = 0;
    std::memcpy(&single, from, sizeof(single));
    return static_cast<double>(single);
  }
  [[nodiscard]] const std::vector<unsigned char>& bytes() const { return bytes_; }
  [[nodiscard]] bool guards_intact() const {
    const auto kept = [](unsigned char byte) { return byte == guard_value; };
    return std::all_of(bytes_.begin(), bytes_.begin() + guard_bytes, kept) &&
           std::all_of(bytes_.end() - guard_bytes, bytes_.end(), kept);
  }

 private:
  static constexpr std::ptrdiff_t guard_bytes = 100;  // a multiple of 4, not of 8
  static constexpr unsigned char guard_value = 0xA5;

  [[nodiscard]] std::size_t size(std::int64_t count) const { return size_of(dtype_) * static_cast<std::size_t>(count); }
  unsigned char* place(std::int64_t i) { return bytes_.data() + guard_bytes + size(i); }

  Dtype dtype_;
  std::vector<unsigned char> bytes_;
};

/// Scratch of the size that a kernel asks for, 64-byte aligned, between guards, with NaN patterns inside.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : words_((bytes + 63) / 64 * 8 + 16, ~std::uint64_t{0}), bytes_(bytes) {
    const auto at = reinterpret_cast<std::uintptr_t>(words_.data());
    offset_ = (64 - at % 64) % 64;
  }
  [[nodiscard]] void* data() { return reinterpret_cast<char*>(words_.data()) + offset_; }
  [[nodiscard]] bool guard_intact() const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(words_.data());
    for (std::size_t i = offset_ + bytes_; i < words_.size() * 8; ++i) {
      if (bytes[i] != 0xFF) return false;
    }
    return true;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t bytes_;
  std::size_t offset_ = 0;
};

/// Runs `work` with 1, 2 and 3 threads: guards must hold and the outputs must have the same bits every time.
inline void expect_same_bits(const std::vector<Array*>& outputs, const std::function<void()>& work) {
  std::vector<std::vector<unsigned char>> first;
  const int before = omp_get_max_threads();
  for (int threads = 1; threads <= 3; ++threads) {
    omp_set_num_threads(threads);
    work();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_TRUE(outputs[i]->guards_intact()) << "output " << i << " with " << threads << " threads";
      if (threads == 1) {
        first.push_back(outputs[i]->bytes());
      } else {
        EXPECT_TRUE(outputs[i]->bytes() == first[i]) << "output " << i << " differs with " << threads << " threads";
      }
    }
  }
  omp_set_num_threads(before);
}

/// |got - expected| <= tolerance (size + |expected|), with the tolerance of the type and the size of the summands.
inline void expect_near(const Array& got, const std::vector<double>& expected, Dtype dtype, double size,
                        const std::string& what) {
  const double tolerance = dtype == Dtype::bf16 ? 1.0 / 128 : 1e-6;
  ASSERT_EQ(got.count(), static_cast<std::int64_t>(expected.size())) << what;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double value = got.at(static_cast<std::int64_t>(i));
    ASSERT_LE(std::abs(value - expected[i]), tolerance * (size + std::abs(expected[i])))
        << what << "[" << i << "] = " << value << ", expected " << expected[i];
  }
}

inline double act_value(Act act, double x) {
  double y = 0;
  pointwise::with_activation(act, [&](auto functor) { y = decltype(functor)::value(x); });
  return y;
}

inline double act_derivative(Act act, double x) {
  double y = 0;
  pointwise::with_activation(act, [&](auto functor) { y = decltype(functor)::derivative(x); });
  return y;
}

inline constexpr Act all_acts[] = {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid};

/// Sizes of a (rows,C) array.
struct Rows {
  std::int64_t rows;
  int c;
};
// Odd channel counts, vector tails, several rows in a line (whole pairs of registers or not), several lines in a row,
// several chunks.
inline constexpr Rows shapes[] = {{1, 1},   {2, 3},   {1000, 5},  {33, 17},   {1000, 72},
                                  {23, 48}, {2, 513}, {70, 1100}, {33, 1056}, {30000, 3}};

/// Instruction sets that run here.
inline std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const char* name : {"baseline", "avx2", "avx512", "avx512_bf16"}) {
    if (simd_kernels(name) != nullptr) names.emplace_back(name);
  }
  return names;
}

/// Tests that run for each instruction set and activation type derive from this.
class Simd : public testing::TestWithParam<std::tuple<std::string, Dtype>> {
 protected:
  const SimdKernels& kernels_ = *simd_kernels(std::get<0>(GetParam()));
  const Dtype dtype_ = std::get<1>(GetParam());
};

inline std::string name_of_case(const testing::TestParamInfo<std::tuple<std::string, Dtype>>& info) {
  return std::get<0>(info.param) + "_" + std::string(name_of(std::get<1>(info.param)));
}

}  // namespace thaw::simd_test
