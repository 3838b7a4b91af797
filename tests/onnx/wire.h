#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thaw::test {

using Bytes = std::span<const std::byte>;

/// One field of a protobuf message as it lies in the file.
struct Field {
  std::uint32_t number = 0;
  enum class Kind : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 } kind = Kind::varint;
  std::uint64_t scalar = 0;  ///< of a varint, fixed64 or fixed32
  Bytes bytes = {};          ///< of a string, nested message or packed list
};

/// Reads the fields of one protobuf message in order. Every read is checked against the end of the message; what does
/// not fit throws `Error` (data) naming `what`.
class WireReader {
 public:
  WireReader(Bytes message, std::string_view what) : rest_(message), what_(what) {}

  /// The next field; false at the end of the message.
  bool next(Field& field);
  [[noreturn]] void reject(std::string_view why) const;
  [[nodiscard]] std::string_view what() const { return what_; }

 private:
  std::uint64_t varint();
  std::uint64_t fixed(std::size_t bytes);
  Bytes take(std::uint64_t bytes);
  friend class WireValues;

  Bytes rest_;
  std::string_view what_;
};

/// What a field holds, where it is of that kind; throws `Error` (data) otherwise.
class WireValues {
 public:
  explicit WireValues(const WireReader& reader) : reader_(&reader) {}

  [[nodiscard]] std::int64_t integer(const Field& field) const;
  [[nodiscard]] float real(const Field& field) const;
  [[nodiscard]] std::string text(const Field& field) const;
  [[nodiscard]] Bytes message(const Field& field) const;
  /// Appends the values of a repeated field, packed or one at a time.
  void integers(const Field& field, std::vector<std::int64_t>& values) const;
  void floats(const Field& field, std::vector<double>& values) const;
  void doubles(const Field& field, std::vector<double>& values) const;

 private:
  const WireReader* reader_;
};

}  // namespace thaw::test
