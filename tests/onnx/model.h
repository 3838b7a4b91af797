#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/onnx/wire.h"

namespace thaw::test {

/// ONNX' element types that matter here; others keep their number.
enum class Element : int {
  none = 0,
  f32 = 1,
  u8 = 2,
  i8 = 3,
  u16 = 4,
  i32 = 6,
  i64 = 7,
  text = 8,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  bf16 = 16,
};
std::string_view name_of(Element element);

/// A host array as ONNX stores it: row-major, whatever the element type, with its values as doubles.
struct Array {
  Element element = Element::none;  ///< none: an optional input or output that is not there
  std::vector<std::int64_t> shape = {};
  std::vector<double> values = {};  ///< empty for element types that are not decoded (strings, half precision, ...)

  [[nodiscard]] std::size_t rank() const { return shape.size(); }
  [[nodiscard]] std::int64_t count() const;
  /// f32 or f64.
  [[nodiscard]] bool floating() const { return element == Element::f32 || element == Element::f64; }
};

struct Attribute {
  std::optional<float> real;
  std::optional<std::int64_t> integer;
  std::string text;
  std::vector<std::int64_t> integers;
  std::optional<Array> tensor;
};

struct Node {
  std::string op;
  std::vector<std::string> inputs;  ///< an empty name is an optional input left out
  std::vector<std::string> outputs;
  std::map<std::string, Attribute> attributes;

  [[nodiscard]] double real(const std::string& name, double otherwise) const;
  [[nodiscard]] std::int64_t integer(const std::string& name, std::int64_t otherwise) const;
  [[nodiscard]] std::string text(const std::string& name, std::string_view otherwise) const;
  [[nodiscard]] std::vector<std::int64_t> integers(const std::string& name,
                                                   const std::vector<std::int64_t>& otherwise) const;
  [[nodiscard]] bool has(const std::string& name) const { return attributes.count(name) > 0; }
};

struct Model {
  std::int64_t opset = 1;  ///< of the default domain
  std::vector<Node> nodes;
  std::map<std::string, Array> initializers;
  std::vector<std::string> inputs;  ///< without those that have an initializer
  std::vector<std::string> outputs;
  std::map<std::string, Element> declared;  ///< element types of the inputs
};

/// Reads a ModelProto or TensorProto. Throws `Error` (data) naming `what` for anything that is broken.
Model parse_model(Bytes file, std::string_view what);
Array parse_tensor(Bytes message, std::string_view what);

/// Bits that were stored as u16 as the bf16 numbers that they are: NumPy has no such type.
Array as_bf16(Array bits);

/// The bytes of a file. Throws `Error` (data) where it cannot be read.
std::vector<std::byte> read_file(const std::string& path);

}  // namespace thaw::test
