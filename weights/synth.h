#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "weights/spec.h"
#include "weights/store.h"

namespace thaw {

/// FNV-1a, 32 bit: the seed that a name gives to its values.
std::uint32_t fnv1a(std::string_view text);

/// 32 pseudo-random bits for element `index` of what has the seed `hash`: ((index+1)*0x9E3779B1 + hash) modulo 2^32,
/// mixed by murmur3's finaliser. A pure function, so that any implementation can draw the same values.
std::uint32_t synthetic_bits(std::uint32_t hash, std::uint32_t index);

/// Those bits as a number in [-1, 1): the upper 24 of them / 2^24 * 2 - 1, exact in float32 and in double.
double synthetic_value(std::uint32_t hash, std::uint32_t index);

/// Deterministic values for one tensor in thaw's layout. Element i counts in KERAS order. With u = `synthetic_value`:
/// kernels u*sqrt(6/fan_in) (fan_in = H*W*I, depthwise H*W, dense in; a layer called "head": u*sqrt(6/(in+out))),
/// bias 0.1*u (head: 0), gamma 1+0.2u, beta and moving_mean 0.2u, moving_variance 1+0.5u; computed in double, rounded
/// to float32. Throws `Error` (data) for a name whose last part is none of these.
std::vector<float> synthetic_tensor(const TensorSpec& spec);

/// `synthetic_tensor` for every tensor of `spec`.
WeightSet synthetic_weights(const ModelSpec& spec);

/// The first `count` pixel values (0..255) of the deterministic input, in (N,H,W,C) order.
std::vector<std::uint8_t> synthetic_input(std::size_t count);

}  // namespace thaw
