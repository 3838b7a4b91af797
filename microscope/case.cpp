#include "microscope/case.h"

#include <cstring>
#include <numeric>

namespace thaw::microscope {

namespace {

template <class T>
T load(const std::vector<std::byte>& bytes, std::int64_t i) {
  T value;
  std::memcpy(&value, bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(std::vector<std::byte>& bytes, std::int64_t i, const T& value) {
  std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof(T));
}

}  // namespace

double HostArray::at(std::int64_t i) const {
  switch (dtype_) {
    case Dtype::f64: return load<double>(bytes_, i);
    case Dtype::f32: return static_cast<double>(load<float>(bytes_, i));
    case Dtype::bf16: return static_cast<double>(static_cast<float>(load<bf16>(bytes_, i)));
    case Dtype::u8: return load<std::uint8_t>(bytes_, i);
    case Dtype::i32: return load<std::int32_t>(bytes_, i);
  }
  return 0;
}

void HostArray::set(std::int64_t i, double value) {
  switch (dtype_) {
    case Dtype::f64: store(bytes_, i, value); break;
    case Dtype::f32: store(bytes_, i, static_cast<float>(value)); break;
    case Dtype::bf16: store(bytes_, i, bf16(static_cast<float>(value))); break;
    case Dtype::u8: store(bytes_, i, static_cast<std::uint8_t>(value)); break;
    case Dtype::i32: store(bytes_, i, static_cast<std::int32_t>(value)); break;
  }
}

double bytes_once(const std::vector<Operand>& operands) {
  return std::accumulate(operands.begin(), operands.end(), 0.0, [](double sum, const Operand& operand) {
    const int times = operand.use == Operand::Use::inout ? 2 : 1;
    return sum + times * static_cast<double>(operand.count()) * static_cast<double>(size_of(operand.dtype));
  });
}

}  // namespace thaw::microscope
