#include "tests/onnx/model.h"

#include <algorithm>
#include <bit>
#include <fstream>
#include <iterator>
#include <set>

#include "kernels/dtype.h"
#include "kernels/error.h"

namespace thaw::test {

namespace {

constexpr std::int64_t kMostElements = std::int64_t{1} << 28;

/// The elements that a shape promises; a product too large for memory is refused before anything is allocated.
std::int64_t elements_of(const std::vector<std::int64_t>& shape, const WireReader& in) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0 || dim > kMostElements) in.reject("a tensor has an impossible dimension");
    if (dim > 0 && count > kMostElements / dim) in.reject("a tensor has too many elements");
    count *= dim;
  }
  return count;
}

template <class T>
std::vector<double> from_raw(Bytes raw) {
  std::vector<double> out(raw.size() / sizeof(T));
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::array<std::byte, sizeof(T)> bytes;
    std::copy_n(raw.begin() + static_cast<std::ptrdiff_t>(i * sizeof(T)), sizeof(T), bytes.begin());
    out[i] = static_cast<double>(std::bit_cast<T>(bytes));  // little-endian, like every machine that thaw runs on
  }
  return out;
}

double bf16_value(std::uint64_t bits) {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U));
}

std::vector<double> bf16_values(std::vector<double> bits) {
  std::transform(bits.begin(), bits.end(), bits.begin(),
                 [](double b) { return bf16_value(static_cast<std::uint64_t>(b)); });
  return bits;
}

std::size_t bytes_of(Element element) {
  switch (element) {
    case Element::f32:
    case Element::i32: return 4;
    case Element::f64:
    case Element::i64: return 8;
    case Element::u16:
    case Element::bf16: return 2;
    case Element::u8:
    case Element::i8:
    case Element::boolean: return 1;
    default: return 0;  // not decoded
  }
}

std::vector<double> decode_raw(Element element, Bytes raw) {
  switch (element) {
    case Element::f32: return from_raw<float>(raw);
    case Element::f64: return from_raw<double>(raw);
    case Element::i32: return from_raw<std::int32_t>(raw);
    case Element::i64: return from_raw<std::int64_t>(raw);
    case Element::i8: return from_raw<std::int8_t>(raw);
    case Element::u8:
    case Element::boolean: return from_raw<std::uint8_t>(raw);
    case Element::u16: return from_raw<std::uint16_t>(raw);
    case Element::bf16: return bf16_values(from_raw<std::uint16_t>(raw));
    default: return {};
  }
}

Attribute parse_attribute(Bytes message, std::string_view what, std::string& name) {
  Attribute out;
  WireReader in(message, what);
  const WireValues value(in);
  for (Field field; in.next(field);) {
    switch (field.number) {
      case 1: name = value.text(field); break;
      case 2: out.real = value.real(field); break;
      case 3: out.integer = value.integer(field); break;
      case 4: out.text = value.text(field); break;
      case 5: out.tensor = parse_tensor(value.message(field), what); break;
      case 8: value.integers(field, out.integers); break;
      default: break;
    }
  }
  return out;
}

Node parse_node(Bytes message, std::string_view what) {
  Node out;
  WireReader in(message, what);
  const WireValues value(in);
  for (Field field; in.next(field);) {
    switch (field.number) {
      case 1: out.inputs.push_back(value.text(field)); break;
      case 2: out.outputs.push_back(value.text(field)); break;
      case 4: out.op = value.text(field); break;
      case 5: {
        std::string name;
        Attribute attribute = parse_attribute(value.message(field), what, name);
        out.attributes.insert_or_assign(name, std::move(attribute));
        break;
      }
      default: break;
    }
  }
  return out;
}

/// The string in field `number` of a message: names of tensors and of graph inputs.
std::string name_in(Bytes message, std::uint32_t number, std::string_view what) {
  std::string out;
  WireReader in(message, what);
  for (Field field; in.next(field);) {
    if (field.number == number) out = WireValues(in).text(field);
  }
  return out;
}

/// The bytes of message `number` within a message; empty where there is none.
Bytes message_in(Bytes message, std::uint32_t number, std::string_view what) {
  Bytes out;
  WireReader in(message, what);
  for (Field field; in.next(field);) {
    if (field.number == number) out = WireValues(in).message(field);
  }
  return out;
}

/// The element type in a ValueInfoProto: type.tensor_type.elem_type.
Element declared_in(Bytes value_info, std::string_view what) {
  Element out = Element::none;
  WireReader in(message_in(message_in(value_info, 2, what), 1, what), what);
  for (Field field; in.next(field);) {
    if (field.number == 1) out = static_cast<Element>(WireValues(in).integer(field));
  }
  return out;
}

void parse_graph(Bytes message, std::string_view what, Model& out) {
  WireReader in(message, what);
  const WireValues value(in);
  for (Field field; in.next(field);) {
    switch (field.number) {
      case 1: out.nodes.push_back(parse_node(value.message(field), what)); break;
      case 5: {
        const Bytes tensor = value.message(field);
        out.initializers.insert_or_assign(name_in(tensor, 8, what), parse_tensor(tensor, what));
        break;
      }
      case 11: {
        out.inputs.push_back(name_in(value.message(field), 1, what));
        out.declared[out.inputs.back()] = declared_in(value.message(field), what);
        break;
      }
      case 12: out.outputs.push_back(name_in(value.message(field), 1, what)); break;
      default: break;
    }
  }
  std::erase_if(out.inputs, [&out](const std::string& name) { return out.initializers.count(name) > 0; });
}

/// The version in an OperatorSetIdProto of the default domain, 0 for another domain.
std::int64_t opset_in(Bytes message, std::string_view what) {
  std::string domain;
  std::int64_t version = 0;
  WireReader in(message, what);
  for (Field field; in.next(field);) {
    if (field.number == 1) domain = WireValues(in).text(field);
    if (field.number == 2) version = WireValues(in).integer(field);
  }
  return domain.empty() ? version : 0;
}

}  // namespace

std::string_view name_of(Element element) {
  switch (element) {
    case Element::none: return "nothing";
    case Element::f32: return "f32";
    case Element::u8: return "u8";
    case Element::i8: return "i8";
    case Element::u16: return "u16";
    case Element::i32: return "i32";
    case Element::i64: return "i64";
    case Element::text: return "strings";
    case Element::boolean: return "bool";
    case Element::f16: return "f16";
    case Element::f64: return "f64";
    case Element::bf16: return "bf16";
  }
  return "another element type";
}

std::int64_t Array::count() const {
  std::int64_t out = 1;
  for (const std::int64_t dim : shape) out *= dim;
  return out;
}

double Node::real(const std::string& name, double otherwise) const {
  const auto at = attributes.find(name);
  return at == attributes.end() || !at->second.real ? otherwise : static_cast<double>(*at->second.real);
}

std::int64_t Node::integer(const std::string& name, std::int64_t otherwise) const {
  const auto at = attributes.find(name);
  return at == attributes.end() ? otherwise : at->second.integer.value_or(otherwise);
}

std::string Node::text(const std::string& name, std::string_view otherwise) const {
  const auto at = attributes.find(name);
  return at == attributes.end() ? std::string(otherwise) : at->second.text;
}

std::vector<std::int64_t> Node::integers(const std::string& name, const std::vector<std::int64_t>& otherwise) const {
  const auto at = attributes.find(name);
  return at == attributes.end() ? otherwise : at->second.integers;
}

Array parse_tensor(Bytes message, std::string_view what) {
  Array out;
  std::optional<Bytes> raw;
  std::vector<std::int64_t> integers;
  WireReader in(message, what);
  const WireValues value(in);
  for (Field field; in.next(field);) {
    switch (field.number) {
      case 1: value.integers(field, out.shape); break;
      case 2: out.element = static_cast<Element>(value.integer(field)); break;
      case 4: value.floats(field, out.values); break;
      case 5:
      case 7: value.integers(field, integers); break;
      case 9: raw = value.message(field); break;
      case 10: value.doubles(field, out.values); break;
      case 14:
        if (value.integer(field) != 0) in.reject("a tensor's values lie in another file");
        break;
      default: break;
    }
  }
  const std::int64_t count = elements_of(out.shape, in);
  const std::size_t width = bytes_of(out.element);
  if (width == 0) {  // kept by type and shape only
    out.values.clear();
    return out;
  }
  if (raw) {
    if (raw->size() != static_cast<std::size_t>(count) * width) in.reject("a tensor's bytes do not fit its shape");
    out.values = decode_raw(out.element, *raw);
  }
  for (const std::int64_t i : integers) {
    out.values.push_back(out.element == Element::bf16 ? bf16_value(static_cast<std::uint64_t>(i) & 0xffffU)
                                                      : static_cast<double>(i));
  }
  if (static_cast<std::int64_t>(out.values.size()) != count) in.reject("a tensor's values do not fit its shape");
  return out;
}

Model parse_model(Bytes file, std::string_view what) {
  Model out;
  WireReader in(file, what);
  const WireValues value(in);
  for (Field field; in.next(field);) {
    if (field.number == 7) parse_graph(value.message(field), what, out);
    if (field.number == 8) out.opset = std::max(out.opset, opset_in(value.message(field), what));
  }
  if (out.nodes.empty()) in.reject("there is no graph in it");
  return out;
}

Array as_bf16(Array bits) {
  bits.element = Element::bf16;
  bits.values = bf16_values(std::move(bits.values));
  return bits;
}

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.good() && !file.eof()) fail(ErrorKind::data, "{}: cannot be read", path);
  std::vector<std::byte> out(text.size());
  std::transform(text.begin(), text.end(), out.begin(), [](char c) { return static_cast<std::byte>(c); });
  return out;
}

}  // namespace thaw::test
