#include "tests/onnx/wire.h"

#include <bit>

#include "kernels/error.h"

namespace thaw::test {

void WireReader::reject(std::string_view why) const {
  fail(ErrorKind::data, "{}: {}; wanted an ONNX file in protobuf's wire format, is it whole?", what_, why);
}

Bytes WireReader::take(std::uint64_t bytes) {
  if (bytes > rest_.size()) reject("a field reaches beyond its message");
  const Bytes taken = rest_.first(static_cast<std::size_t>(bytes));
  rest_ = rest_.subspan(taken.size());
  return taken;
}

std::uint64_t WireReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    const auto byte = static_cast<std::uint64_t>(take(1)[0]);
    if (shift == 63 && byte > 1) break;  // more than 64 bits
    value |= (byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  reject("a number has more than 64 bits");
}

std::uint64_t WireReader::fixed(std::size_t bytes) {
  std::uint64_t value = 0;
  unsigned shift = 0;
  for (const std::byte byte : take(bytes)) {
    value |= static_cast<std::uint64_t>(byte) << shift;
    shift += 8;
  }
  return value;
}

bool WireReader::next(Field& field) {
  if (rest_.empty()) return false;
  const std::uint64_t tag = varint();
  if (tag >> 3U == 0 || tag >> 32U != 0) reject("a field has an impossible number");
  field = {.number = static_cast<std::uint32_t>(tag >> 3U), .kind = static_cast<Field::Kind>(tag & 7U)};
  switch (field.kind) {
    case Field::Kind::varint: field.scalar = varint(); break;
    case Field::Kind::fixed64: field.scalar = fixed(8); break;
    case Field::Kind::fixed32: field.scalar = fixed(4); break;
    case Field::Kind::bytes: field.bytes = take(varint()); break;
    default: reject("a field has a wire type that ONNX does not use");
  }
  return true;
}

std::int64_t WireValues::integer(const Field& field) const {
  if (field.kind != Field::Kind::varint) reader_->reject("an integer field is none");
  return static_cast<std::int64_t>(field.scalar);
}

float WireValues::real(const Field& field) const {
  if (field.kind != Field::Kind::fixed32) reader_->reject("a float field is none");
  return std::bit_cast<float>(static_cast<std::uint32_t>(field.scalar));
}

Bytes WireValues::message(const Field& field) const {
  if (field.kind != Field::Kind::bytes) reader_->reject("a message or string field is none");
  return field.bytes;
}

std::string WireValues::text(const Field& field) const {
  const Bytes bytes = message(field);
  std::string out(bytes.size(), '\0');
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(bytes[i]);
  return out;
}

void WireValues::integers(const Field& field, std::vector<std::int64_t>& values) const {
  if (field.kind == Field::Kind::varint) return values.push_back(integer(field));
  WireReader packed(message(field), reader_->what());
  while (!packed.rest_.empty()) values.push_back(static_cast<std::int64_t>(packed.varint()));
}

void WireValues::floats(const Field& field, std::vector<double>& values) const {
  if (field.kind == Field::Kind::fixed32) return values.push_back(static_cast<double>(real(field)));
  WireReader packed(message(field), reader_->what());
  while (!packed.rest_.empty()) {
    values.push_back(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(packed.fixed(4)))));
  }
}

void WireValues::doubles(const Field& field, std::vector<double>& values) const {
  if (field.kind == Field::Kind::fixed64) return values.push_back(std::bit_cast<double>(field.scalar));
  WireReader packed(message(field), reader_->what());
  while (!packed.rest_.empty()) values.push_back(std::bit_cast<double>(packed.fixed(8)));
}

}  // namespace thaw::test
