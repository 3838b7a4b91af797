#include "kernels/reference/operands.h"

#include <algorithm>

#include "kernels/error.h"

namespace thaw::reference {

namespace {

template <class T>
void widen(const void* from, std::vector<double>& to) {
  const T* values = static_cast<const T*>(from);
  for (std::size_t i = 0; i < to.size(); ++i) {
    if constexpr (std::is_same_v<T, bf16>) {
      to[i] = static_cast<double>(static_cast<float>(values[i]));
    } else {
      to[i] = static_cast<double>(values[i]);
    }
  }
}

}  // namespace

Input::Input(Dtype dtype, const void* data, std::int64_t count) {
  if (data == nullptr) return;
  if (dtype == Dtype::f64) {
    data_ = static_cast<const double*>(data);
    return;
  }
  owned_.resize(static_cast<std::size_t>(std::max<std::int64_t>(count, 1)));
  data_ = owned_.data();
  if (count == 0) return;
  switch (dtype) {
    case Dtype::f32: widen<float>(data, owned_); break;
    case Dtype::bf16: widen<bf16>(data, owned_); break;
    case Dtype::u8: widen<std::uint8_t>(data, owned_); break;
    case Dtype::i32: widen<std::int32_t>(data, owned_); break;
    case Dtype::f64: break;
  }
}

Output::Output(Dtype dtype, void* data, std::int64_t count) : dtype_(dtype), target_(data) {
  if (dtype == Dtype::u8 || dtype == Dtype::i32) {
    fail(ErrorKind::device, "[reference] no call writes {}: results are f64, f32 or bf16; choose one of them",
         name_of(dtype));
  }
  if (data == nullptr) return;
  if (dtype == Dtype::f64) {
    work_ = static_cast<double*>(data);
    return;
  }
  owned_.resize(static_cast<std::size_t>(std::max<std::int64_t>(count, 1)));
  work_ = owned_.data();
  if (count == 0) target_ = nullptr;
}

void Output::store() {
  if (target_ == nullptr || dtype_ == Dtype::f64) return;
  if (dtype_ == Dtype::f32) {
    std::transform(owned_.begin(), owned_.end(), static_cast<float*>(target_),
                   [](double value) { return static_cast<float>(value); });
  } else {
    std::transform(owned_.begin(), owned_.end(), static_cast<bf16*>(target_),
                   [](double value) { return bf16(static_cast<float>(value)); });
  }
}

Taps taps_inside(int out, int stride, int pad, int kernel, int size) {
  const int origin = out * stride - pad;
  return {origin, std::max(0, -origin), std::min(kernel, size - origin)};
}

void column_sums(std::int64_t rows, std::int64_t c, const double* x, double* sums) {
  std::fill_n(sums, c, 0.0);
  for (std::int64_t row = 0; row < rows; ++row) axpy(1.0, x + row * c, sums, c);
}

}  // namespace thaw::reference
