#include "framework/tensor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "kernels/error.h"

namespace thaw {

Shape::Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  if (dims.size() > kMaxRank)
    fail(ErrorKind::usage, "[shape] ({}) has more than four dimensions", fmt::join(dims, ","));
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

std::int64_t Shape::numel() const {
  return std::accumulate(dims_.begin(), dims_.begin() + rank_, std::int64_t{1}, std::multiplies<>());
}

std::string Shape::text() const { return fmt::format("({})", fmt::join(dims_.begin(), dims_.begin() + rank_, ",")); }

std::vector<std::int64_t> Shape::to_vector() const { return {dims_.begin(), dims_.begin() + rank_}; }

struct Tensor::Storage {
  std::shared_ptr<Backend> backend;
  void* block = nullptr;

  Storage(std::shared_ptr<Backend> owner, std::size_t bytes)
      : backend(std::move(owner)), block(backend->allocate(std::max<std::size_t>(bytes, 1))) {}
  ~Storage() { backend->release(block); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
};

namespace {

template <class From, class To>
std::vector<To> converted(std::span<const From> values) {
  std::vector<To> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), [](From v) {
    if constexpr (std::is_same_v<To, bf16>) {
      return bf16(static_cast<float>(v));
    } else {
      return static_cast<To>(v);
    }
  });
  return out;
}

template <class From>
void upload_as(const Tensor& tensor, std::span<const From> values) {
  if (static_cast<std::int64_t>(values.size()) != tensor.numel()) {
    fail(ErrorKind::usage, "[tensor] {} holds {} values, not {}", tensor.shape().text(), tensor.numel(), values.size());
  }
  const auto put = [&tensor](const auto& host) {
    tensor.backend()->upload(tensor.data(), host.data(), tensor.bytes());
  };
  const bool as_they_are = (std::is_same_v<From, float> && tensor.dtype() == Dtype::f32) ||
                           (std::is_same_v<From, double> && tensor.dtype() == Dtype::f64);
  if (as_they_are) return put(values);
  switch (tensor.dtype()) {
    case Dtype::f32: put(converted<From, float>(values)); break;
    case Dtype::f64: put(converted<From, double>(values)); break;
    case Dtype::bf16: put(converted<From, bf16>(values)); break;
    case Dtype::u8: put(converted<From, std::uint8_t>(values)); break;
    case Dtype::i32: put(converted<From, std::int32_t>(values)); break;
  }
}

template <class Stored, class To>
std::vector<To> downloaded(const Tensor& tensor) {
  std::vector<Stored> host(static_cast<std::size_t>(tensor.numel()));
  tensor.backend()->download(host.data(), tensor.data(), tensor.bytes());
  if constexpr (std::is_same_v<Stored, To>) {
    return host;
  } else {
    std::vector<To> out(host.size());
    std::transform(host.begin(), host.end(), out.begin(), [](Stored v) {
      if constexpr (std::is_same_v<Stored, bf16>) {
        return static_cast<To>(static_cast<float>(v));
      } else {
        return static_cast<To>(v);
      }
    });
    return out;
  }
}

template <class To>
std::vector<To> values_of(const Tensor& tensor) {
  switch (tensor.dtype()) {
    case Dtype::f32: return downloaded<float, To>(tensor);
    case Dtype::f64: return downloaded<double, To>(tensor);
    case Dtype::bf16: return downloaded<bf16, To>(tensor);
    case Dtype::u8: return downloaded<std::uint8_t, To>(tensor);
    case Dtype::i32: return downloaded<std::int32_t, To>(tensor);
  }
  return {};
}

}  // namespace

Tensor Tensor::empty(const std::shared_ptr<Backend>& backend, const Shape& shape, Dtype dtype) {
  Tensor out;
  out.shape_ = shape;
  out.dtype_ = dtype;
  out.storage_ = std::make_shared<Storage>(backend, out.bytes());
  return out;
}

bool host_can_read(const std::shared_ptr<Backend>& backend) {
  const Tensor probe = Tensor::empty(backend, {1}, Dtype::f32);
  return backend->host_view(probe.data()) != nullptr;
}

Tensor Tensor::zeros(const std::shared_ptr<Backend>& backend, const Shape& shape, Dtype dtype) {
  Tensor out = empty(backend, shape, dtype);
  out.fill_zero();
  return out;
}

Tensor Tensor::from_host(const std::shared_ptr<Backend>& backend, const Shape& shape, Dtype dtype,
                         std::span<const double> values) {
  Tensor out = empty(backend, shape, dtype);
  out.assign(values);
  return out;
}

Tensor Tensor::from_host(const std::shared_ptr<Backend>& backend, const Shape& shape, Dtype dtype,
                         std::span<const float> values) {
  Tensor out = empty(backend, shape, dtype);
  out.assign(values);
  return out;
}

Tensor Tensor::from_labels(const std::shared_ptr<Backend>& backend, std::span<const std::int32_t> labels) {
  Tensor out = empty(backend, {static_cast<std::int64_t>(labels.size())}, Dtype::i32);
  backend->upload(out.data(), labels.data(), out.bytes());
  return out;
}

void* Tensor::data() const { return static_cast<std::byte*>(storage_->block) + offset_; }

const std::shared_ptr<Backend>& Tensor::backend() const { return storage_->backend; }

Tensor Tensor::reshaped(const Shape& shape) const {
  if (shape.numel() != numel()) {
    fail(ErrorKind::usage, "[reshape] {} cannot be read as {}", shape_.text(), shape.text());
  }
  Tensor out = *this;
  out.shape_ = shape;
  return out;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t count) const {
  if (shape_.rank() == 0 || begin < 0 || count < 0 || begin + count > shape_[0]) {
    fail(ErrorKind::usage, "[rows] {}..{} are not all in {}", begin, begin + count, shape_.text());
  }
  std::vector<std::int64_t> dims = shape_.to_vector();
  const std::int64_t row = dims[0] > 0 ? numel() / dims[0] : 0;
  dims[0] = count;
  Tensor out = *this;
  out.shape_ = Shape(std::span<const std::int64_t>(dims));
  out.offset_ += static_cast<std::size_t>(begin * row) * size_of(dtype_);
  return out;
}

std::vector<double> Tensor::to_doubles() const { return values_of<double>(*this); }
std::vector<float> Tensor::to_floats() const { return values_of<float>(*this); }
void Tensor::assign(std::span<const float> values) const { upload_as(*this, values); }
void Tensor::assign(std::span<const double> values) const { upload_as(*this, values); }

Tensor Tensor::clone() const {
  Tensor out = empty(backend(), shape_, dtype_);
  backend()->copy(out.data(), data(), bytes());
  return out;
}

void Tensor::fill_zero() const { backend()->zero(data(), bytes()); }

}  // namespace thaw
