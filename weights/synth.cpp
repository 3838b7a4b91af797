#include "weights/synth.h"

#include <cmath>

#include "kernels/error.h"

namespace thaw {
namespace {

/// value = offset + scale * u, with u in [-1, 1).
struct Distribution {
  double offset;
  double scale;
};

Distribution kernel_distribution(const TensorSpec& spec, bool head) {
  const auto& shape = spec.keras_shape;
  switch (spec.kind) {
    case TensorKind::conv_kernel: return {0.0, std::sqrt(6.0 / static_cast<double>(shape[0] * shape[1] * shape[2]))};
    case TensorKind::depthwise_kernel: return {0.0, std::sqrt(6.0 / static_cast<double>(shape[0] * shape[1]))};
    case TensorKind::dense_kernel:
    case TensorKind::vector: break;
  }
  return {0.0, std::sqrt(6.0 / static_cast<double>(head ? shape[0] + shape.back() : shape[0]))};
}

Distribution distribution_of(const TensorSpec& spec) {
  const std::string_view name = spec.name;
  const std::size_t slash = name.rfind('/');
  const std::string_view leaf = slash == std::string_view::npos ? name : name.substr(slash + 1);
  const bool head = name.starts_with("head/");
  if (leaf == "kernel") return kernel_distribution(spec, head);
  if (leaf == "bias") return {0.0, head ? 0.0 : 0.1};
  if (leaf == "gamma") return {1.0, 0.2};
  if (leaf == "beta" || leaf == "moving_mean") return {0.0, 0.2};
  if (leaf == "moving_variance") return {1.0, 0.5};
  fail(ErrorKind::data,
       "[synth] no rule fills '{}'; expected a kernel, bias, gamma, beta, moving_mean or moving_variance", spec.name);
}

}  // namespace

std::uint32_t fnv1a(std::string_view text) {
  std::uint32_t hash = 0x811C9DC5U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193U;
  return hash;
}

std::uint32_t synthetic_bits(std::uint32_t hash, std::uint32_t index) {
  std::uint32_t x = (index + 1U) * 0x9E3779B1U + hash;
  x ^= x >> 16U;
  x *= 0x85EBCA6BU;
  x ^= x >> 13U;
  x *= 0xC2B2AE35U;
  return x ^ (x >> 16U);
}

double synthetic_value(std::uint32_t hash, std::uint32_t index) {
  return static_cast<double>(synthetic_bits(hash, index) >> 8U) / 16777216.0 * 2.0 - 1.0;
}

std::vector<float> synthetic_tensor(const TensorSpec& spec) {
  const Distribution distribution = distribution_of(spec);
  const std::uint32_t hash = fnv1a(spec.name);
  std::vector<float> values(static_cast<std::size_t>(element_count(spec.keras_shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double u = synthetic_value(hash, static_cast<std::uint32_t>(i));
    values[i] = static_cast<float>(distribution.offset + u * distribution.scale);
  }
  return to_native(spec, values);
}

WeightSet synthetic_weights(const ModelSpec& spec) {
  WeightSet set{spec.model_id, "synthetic", "", {}, {}};
  for (const LayerSpec& layer : spec.layers) {
    for (const TensorSpec& tensor : layer.tensors) {
      set.tensors.push_back({tensor.name, native_shape(tensor), synthetic_tensor(tensor)});
    }
  }
  return set;
}

std::vector<std::uint8_t> synthetic_input(std::size_t count) {
  const std::uint32_t hash = fnv1a("input");
  std::vector<std::uint8_t> pixels(count);
  for (std::size_t i = 0; i < count; ++i) {
    pixels[i] = static_cast<std::uint8_t>(synthetic_bits(hash, static_cast<std::uint32_t>(i)) >> 24U);
  }
  return pixels;
}

}  // namespace thaw
