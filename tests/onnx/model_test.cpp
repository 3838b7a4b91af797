// The reader of ONNX files: what it reads, and that no broken file does more than throw.
#include "tests/onnx/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/error.h"

namespace thaw::test {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Writes protobuf fields into a string.
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value > 0x7f; value >>= 7U) out += static_cast<char>((value & 0x7fU) | 0x80U);
  return out + static_cast<char>(value);
}
std::string integer(unsigned number, std::uint64_t value) { return varint(number << 3U) + varint(value); }
std::string bytes(unsigned number, const std::string& value) {
  return varint(number << 3U | 2U) + varint(value.size()) + value;
}
std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

Bytes as_bytes(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }
Array tensor(const std::string& text) { return parse_tensor(as_bytes(text), "a.pb"); }

constexpr unsigned kFloat = 1;

std::string matrix() {
  return integer(1, 2) + integer(1, 3) + integer(2, kFloat) + bytes(8, "w") + bytes(9, floats({1, -2, 3, 4, 5, 6.5F}));
}

/// A model with one node, an attribute of every kind that is read, an initializer, and two inputs of which one has it.
std::string model() {
  const std::string strides = bytes(1, "strides") + bytes(8, varint(2) + varint(3));
  const std::string constant = bytes(1, "value") + bytes(5, matrix());
  const std::string mode = bytes(1, "mode") + bytes(4, "SAME_UPPER");
  const std::string node = bytes(1, "x") + bytes(1, "w") + bytes(2, "y") + bytes(4, "Conv") + bytes(5, strides) +
                           bytes(5, constant) + bytes(5, mode);
  const std::string type = bytes(2, bytes(1, integer(1, kFloat)));
  const std::string graph = bytes(1, node) + bytes(5, matrix()) + bytes(11, bytes(1, "x") + type) +
                            bytes(11, bytes(1, "w") + type) + bytes(12, bytes(1, "y"));
  return bytes(7, graph) + bytes(8, bytes(1, "other.domain") + integer(2, 99)) + bytes(8, integer(2, 13));
}

std::string complaint(const std::string& text) {
  try {
    static_cast<void>(tensor(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    return error.what();
  }
  return "no complaint";
}

}  // namespace

TEST(OnnxReader, ReadsRawPackedAndSingleValuesAlike) {
  const Array raw = tensor(matrix());
  EXPECT_EQ(raw.element, Element::f32);
  EXPECT_THAT(raw.shape, ElementsAre(2, 3));
  EXPECT_THAT(raw.values, ElementsAre(1, -2, 3, 4, 5, 6.5));
  const std::string packed_shape = bytes(1, varint(2) + varint(1));
  EXPECT_THAT(tensor(packed_shape + integer(2, kFloat) + bytes(4, floats({7, 8}))).values, ElementsAre(7, 8));
  const auto minus_one = static_cast<std::uint64_t>(-1);
  EXPECT_THAT(tensor(integer(1, 2) + integer(2, 7) + integer(7, minus_one) + integer(7, 3)).values, ElementsAre(-1, 3));
  EXPECT_THAT(tensor(integer(1, 1) + integer(2, 16) + integer(5, 0x3fc0)).values, ElementsAre(1.5)) << "bf16";
}

TEST(OnnxReader, ReadsNodesAttributesAndWhatIsFed) {
  const std::string file = model();
  const Model found = parse_model(as_bytes(file), "m.onnx");
  EXPECT_EQ(found.opset, 13) << "of the default domain";
  EXPECT_THAT(found.inputs, ElementsAre("x")) << "w has an initializer";
  EXPECT_THAT(found.outputs, ElementsAre("y"));
  EXPECT_EQ(found.declared.at("x"), Element::f32);
  EXPECT_THAT(found.initializers.at("w").shape, ElementsAre(2, 3));
  ASSERT_EQ(found.nodes.size(), 1U);
  const Node& node = found.nodes[0];
  EXPECT_EQ(node.op, "Conv");
  EXPECT_THAT(node.inputs, ElementsAre("x", "w"));
  EXPECT_THAT(node.integers("strides", {}), ElementsAre(2, 3));
  EXPECT_EQ(node.text("mode", ""), "SAME_UPPER");
  EXPECT_EQ(node.integer("group", 1), 1) << "absent";
  EXPECT_THAT(node.attributes.at("value").tensor.value().shape, ElementsAre(2, 3));
}

TEST(OnnxReader, NamesWhatIsWrongWithATensor) {
  EXPECT_THAT(complaint(integer(1, 2) + integer(2, kFloat) + bytes(9, "1234")), HasSubstr("bytes do not fit"));
  EXPECT_THAT(complaint(integer(1, 2) + integer(2, kFloat)), HasSubstr("values do not fit"));
  EXPECT_THAT(complaint(integer(1, 1U << 20U) + integer(1, 1U << 20U) + integer(2, kFloat)), HasSubstr("too many"));
  EXPECT_THAT(complaint(integer(1, std::uint64_t{1} << 62U) + integer(2, kFloat)), HasSubstr("impossible dimension"));
  EXPECT_THAT(complaint(integer(1, static_cast<std::uint64_t>(-1))), HasSubstr("impossible dimension"));
  EXPECT_THAT(complaint(integer(14, 1)), HasSubstr("another file"));
  EXPECT_THAT(complaint(bytes(2, "x")), HasSubstr("an integer field is none"));
  EXPECT_THAT(complaint(integer(9, 1)), HasSubstr("message or string field is none"));
  EXPECT_THAT(complaint(varint(3U << 3U | 3U)), HasSubstr("wire type")) << "a group";
  EXPECT_THAT(complaint(varint(2)), HasSubstr("impossible number")) << "field 0";
  EXPECT_THAT(complaint(varint(9U << 3U | 2U) + varint(std::uint64_t{1} << 63U)), HasSubstr("beyond its message"));
  EXPECT_THAT(complaint(varint(1U << 3U) + std::string(10, '\xff')), HasSubstr("more than 64 bits"));
}

TEST(OnnxReader, SurvivesEveryTruncationAndEveryFlippedBit) {
  const std::string whole = model();
  const auto read = [](const std::string& text) {
    try {
      return parse_model(as_bytes(text), "m.onnx").nodes.size();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
      return std::size_t{0};
    }
  };
  EXPECT_EQ(read(whole), 1U);
  for (std::size_t length = 0; length < whole.size(); ++length) static_cast<void>(read(whole.substr(0, length)));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(static_cast<unsigned char>(flipped[at]) ^ (1U << bit));
      static_cast<void>(read(flipped));
    }
  }
}

TEST(OnnxReader, NamesAFileThatIsNotThere) {
  try {
    static_cast<void>(read_file("/nowhere/model.onnx"));
    FAIL() << "read a file that is not there";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/model.onnx: cannot be read"));
  }
}

}  // namespace thaw::test
