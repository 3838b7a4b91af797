#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace thaw {

/// Element types. Activations are f32, bf16 or (reference backend) f64; parameters, statistics and optimizer state are
/// kept in `master_dtype`; u8 is for pixels, i32 for labels and indices.
enum class Dtype : std::uint8_t { f32, bf16, f64, u8, i32 };

constexpr std::size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return 8;
    case Dtype::f32:
    case Dtype::i32: return 4;
    case Dtype::bf16: return 2;
    case Dtype::u8: return 1;
  }
  return 0;
}

constexpr std::string_view name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return "f64";
    case Dtype::f32: return "f32";
    case Dtype::i32: return "i32";
    case Dtype::bf16: return "bf16";
    case Dtype::u8: return "u8";
  }
  return "?";
}

/// The type in which parameters, their gradients, statistics and optimizer state go with activations of `dtype`.
constexpr Dtype master_dtype(Dtype dtype) { return dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32; }

/// bfloat16 storage: the upper half of a float, rounded to nearest even.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  explicit bf16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    if ((u & 0x7fffffffU) > 0x7f800000U) {
      bits = static_cast<std::uint16_t>((u >> 16) | 0x40U);  // keep a NaN a NaN
    } else {
      bits = static_cast<std::uint16_t>((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
    }
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

}  // namespace thaw
