#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace thaw {

/// Up to four dimensions, outermost first; (N,H,W,C) for activations.
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims);
  explicit Shape(std::span<const std::int64_t> dims);

  [[nodiscard]] int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  /// The same as int: kernels' problems count in int.
  [[nodiscard]] int at(int axis) const { return static_cast<int>((*this)[axis]); }
  [[nodiscard]] std::int64_t numel() const;
  [[nodiscard]] std::string text() const;  ///< "(32,7,7,960)"
  [[nodiscard]] std::vector<std::int64_t> to_vector() const;
  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_ = {};
  int rank_ = 0;
};

/// Whether the host reads and writes the device's memory directly; a GPU's it cannot.
bool host_can_read(const std::shared_ptr<Backend>& backend);

/// A contiguous array on a backend: shared storage, shape, dtype. Copying a tensor shares its storage. No arithmetic
/// lives here: backends compute, `Var` differentiates.
class Tensor {
 public:
  Tensor() = default;  ///< no tensor: `defined()` is false

  /// Undefined contents.
  static Tensor empty(const std::shared_ptr<Backend>& backend, const Shape& shape, Dtype dtype);
  static Tensor zeros(const std::shared_ptr<Backend>& backend, const Shape& shape, Dtype dtype);
  /// Host values converted to `dtype` (f32, bf16, f64). Throws `Error` (usage) where the count does not match.
  static Tensor from_host(const std::shared_ptr<Backend>& backend, const Shape& shape, Dtype dtype,
                          std::span<const double> values);
  static Tensor from_host(const std::shared_ptr<Backend>& backend, const Shape& shape, Dtype dtype,
                          std::span<const float> values);
  static Tensor from_labels(const std::shared_ptr<Backend>& backend, std::span<const std::int32_t> labels);

  [[nodiscard]] bool defined() const { return storage_ != nullptr; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] Dtype dtype() const { return dtype_; }
  [[nodiscard]] std::int64_t numel() const { return shape_.numel(); }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype_); }
  [[nodiscard]] void* data() const;
  template <class T>
  [[nodiscard]] T* data_as() const {
    return static_cast<T*>(data());
  }
  [[nodiscard]] const std::shared_ptr<Backend>& backend() const;

  /// The same elements under another shape of equal count.
  [[nodiscard]] Tensor reshaped(const Shape& shape) const;
  /// Rows [begin, begin + count) of the first axis, sharing storage.
  [[nodiscard]] Tensor rows(std::int64_t begin, std::int64_t count) const;
  /// Values on the host. Waits for the device.
  [[nodiscard]] std::vector<double> to_doubles() const;
  [[nodiscard]] std::vector<float> to_floats() const;
  /// Overwrites the values. Throws `Error` (usage) where the count does not match.
  void assign(std::span<const float> values) const;
  void assign(std::span<const double> values) const;
  [[nodiscard]] Tensor clone() const;
  void fill_zero() const;

  [[nodiscard]] bool shares_storage(const Tensor& other) const { return storage_ == other.storage_; }
  [[nodiscard]] const void* storage_id() const { return storage_.get(); }
  /// No other tensor holds this storage, so it may be overwritten.
  [[nodiscard]] bool sole_owner() const { return storage_.use_count() == 1; }

 private:
  struct Storage;
  std::shared_ptr<Storage> storage_;
  std::size_t offset_ = 0;  // bytes
  Shape shape_;
  Dtype dtype_ = Dtype::f32;
};

}  // namespace thaw
