#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/pointwise.h"

namespace thaw::testing {

/// A block of a backend that the host can read and write.
class Buffer {
 public:
  Buffer(Backend& backend, std::size_t bytes) : backend_(backend), bytes_(bytes), block_(backend.allocate(bytes)) {}
  ~Buffer() { backend_.release(block_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] void* data() const { return block_; }
  [[nodiscard]] float* floats() const { return static_cast<float*>(block_); }
  [[nodiscard]] bool same_bits(const Buffer& other) const {
    return bytes_ == other.bytes_ && std::memcmp(block_, other.block_, bytes_) == 0;
  }
  /// The block as numbers of `dtype`.
  [[nodiscard]] std::vector<double> values(Dtype dtype) const {
    std::vector<double> out(bytes_ / size_of(dtype));
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = dtype == Dtype::f32   ? static_cast<double>(floats()[i])
               : dtype == Dtype::f64 ? static_cast<double*>(block_)[i]
                                     : static_cast<double>(static_cast<float>(static_cast<bf16*>(block_)[i]));
    }
    return out;
  }
  void set(Dtype dtype, std::size_t i, double value) const {
    if (dtype == Dtype::f32) floats()[i] = static_cast<float>(value);
    if (dtype == Dtype::f64) static_cast<double*>(block_)[i] = value;
    if (dtype == Dtype::bf16) static_cast<bf16*>(block_)[i] = bf16(static_cast<float>(value));
  }
  /// Small whole numbers in [-range, range], the same for every type.
  void fill_whole(Dtype dtype, std::uint64_t seed, int range) const {
    for (std::size_t i = 0; i < bytes_ / size_of(dtype); ++i) {
      const auto draw = pointwise::random_bits(seed, i) % static_cast<std::uint64_t>(2 * range + 1);
      set(dtype, i, static_cast<double>(draw) - range);
    }
  }
  /// Numbers in [-1, 1) with all their bits in use.
  void fill_uniform(Dtype dtype, std::uint64_t seed) const {
    for (std::size_t i = 0; i < bytes_ / size_of(dtype); ++i) set(dtype, i, 2.0 * pointwise::uniform(seed, i) - 1.0);
  }

 private:
  Backend& backend_;
  std::size_t bytes_;
  void* block_;
};

/// Inputs and outputs of one convolution problem in all directions.
struct ConvBuffers {
  ConvBuffers(Backend& backend, const ConvProblem& p)
      : x(backend, bytes(p.input_size(), p.dtype)),
        w(backend, bytes(p.filter_size(), master_dtype(p.dtype))),
        bias(backend, bytes(p.k, master_dtype(p.dtype))),
        residual(backend, p.residual ? bytes(p.output_size(), p.dtype) : 64),
        dy(backend, bytes(p.output_size(), p.dtype)),
        y(backend, bytes(p.output_size(), p.dtype)),
        dx(backend, bytes(p.input_size(), p.dtype)),
        dw(backend, bytes(p.filter_size(), master_dtype(p.dtype))),
        dbias(backend, bytes(p.k, master_dtype(p.dtype))) {}

  static std::size_t bytes(std::int64_t count, Dtype dtype) { return static_cast<std::size_t>(count) * size_of(dtype); }
  [[nodiscard]] ConvForward args(const ConvProblem& p) const {
    return {.x = x.data(),
            .w = w.data(),
            .bias = p.bias ? bias.data() : nullptr,
            .residual = p.residual ? residual.data() : nullptr,
            .y = y.data()};
  }
  void fill_whole(const ConvProblem& p, int range) const {
    x.fill_whole(p.dtype, 1, range);
    w.fill_whole(master_dtype(p.dtype), 2, range);
    bias.fill_whole(master_dtype(p.dtype), 3, range);
    if (p.residual) residual.fill_whole(p.dtype, 4, range);
    dy.fill_whole(p.dtype, 5, range);
  }
  void run_all(Backend& backend, const ConvProblem& p) const {
    backend.conv_forward(p, args(p));
    backend.conv_backward_data(p, w.data(), dy.data(), dx.data());
    backend.conv_backward_filter(p, x.data(), dy.data(), dw.data(), dbias.data());
  }

  Buffer x, w, bias, residual, dy, y, dx, dw, dbias;
};

/// One inverted residual of MobileNetV3: expanded channels, kernel, stride, squeezed channels (0: none), output.
struct InvertedResidual {
  int expanded, kernel, stride, squeezed, out;
};

/// Every different convolution of a network at 224x224, squeeze-excite and depthwise ones included, from the tables of
/// Keras' ResNet50 and MobileNetV3. `name`: resnet50, mobilenet_v3_large or mobilenet_v3_small.
std::vector<ConvProblem> network_convs(const std::string& name, int n, Dtype dtype);

/// The types that the CPU backend computes in here.
inline std::vector<Dtype> cpu_dtypes() {
  const CpuBackend backend;
  return backend.supports(Dtype::bf16) ? std::vector{Dtype::f32, Dtype::bf16} : std::vector{Dtype::f32};
}

}  // namespace thaw::testing
