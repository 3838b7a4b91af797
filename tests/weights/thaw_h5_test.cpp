#include "weights/thaw_h5.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>

#include "tests/weights/fixtures.h"
#include "weights/h5_writer.h"
#include "weights/keras_h5.h"
#include "weights/synth.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using testing::data_error;
using ::testing::HasSubstr;
using testing::TempFolder;
using testing::tiny_spec;

WeightSet tiny_set() {
  WeightSet set = synthetic_weights(tiny_spec());
  set.source = "origin.h5";
  set.source_sha256 = "00ff";
  return set;
}

TEST(ThawFile, KeepsTensorsOriginAndMetadata) {
  const TempFolder folder;
  const WeightSet set = tiny_set();
  const Metadata metadata{{"settings", R"({"lr": 5e-4})"}, {"empty", ""}, {"long", std::string(100000, 'x')}};
  write_thaw_h5(folder / "w.h5", set, metadata);
  Metadata back_metadata;
  const WeightSet back = read_thaw_h5(folder / "w.h5", &back_metadata);
  EXPECT_EQ(back_metadata, metadata);
  EXPECT_EQ(back.model_id, "mobilenet_v3_tiny");
  EXPECT_EQ(back.source, "origin.h5");
  EXPECT_EQ(back.source_sha256, "00ff");
  ASSERT_EQ(back.tensors.size(), set.tensors.size());
  for (std::size_t i = 0; i < set.tensors.size(); ++i) {
    EXPECT_EQ(back.tensors[i].name, set.tensors[i].name);
    EXPECT_EQ(back.tensors[i].shape, set.tensors[i].shape);
    EXPECT_EQ(back.tensors[i].data, set.tensors[i].data);
  }
}

TEST(ThawFile, KeepsTheBitsOfNanNegativeZeroAndDenormals) {
  const TempFolder folder;
  const std::vector<float> odd{std::bit_cast<float>(0x7fc12345U), -0.0F, std::numeric_limits<float>::denorm_min(),
                               -std::numeric_limits<float>::infinity()};
  write_thaw_h5(folder / "w.h5", {"m", "", "", {{"odd", {4}, odd}}, {}});
  const WeightSet back = read_thaw_h5(folder / "w.h5");
  for (std::size_t i = 0; i < odd.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(back.tensors[0].data[i]), std::bit_cast<std::uint32_t>(odd[i]));
  }
}

TEST(ThawFile, HasTheSameBytesForTheSameContent) {
  const TempFolder folder;
  write_thaw_h5(folder / "a.h5", tiny_set(), {{"k", "v"}});
  write_thaw_h5(folder / "b.h5", tiny_set(), {{"k", "v"}});
  EXPECT_EQ(testing::bytes_of(folder / "a.h5"), testing::bytes_of(folder / "b.h5"));
}

TEST(ThawFile, ReplacesAnOlderOneWhole) {
  const TempFolder folder;
  testing::put_bytes(folder / "w.h5", "old");
  write_thaw_h5(folder / "w.h5", tiny_set());
  EXPECT_EQ(read_thaw_h5(folder / "w.h5").tensors.size(), tiny_set().tensors.size());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / ""), {}), 1);
}

TEST(ThawFile, WithOneChangedValueIsRefused) {
  const TempFolder folder;
  write_thaw_h5(folder / "w.h5", {"m", "", "", {{"t", {3}, {1.5F, 2.5F, 12345.678F}}}, {}});
  std::string bytes = testing::bytes_of(folder / "w.h5");
  const float value = 12345.678F;
  std::string pattern(4, '\0');
  std::memcpy(pattern.data(), &value, 4);
  const std::size_t at = bytes.find(pattern);
  ASSERT_NE(at, std::string::npos);
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  testing::put_bytes(folder / "w.h5", bytes);
  EXPECT_THAT(data_error([&] { (void)read_thaw_h5(folder / "w.h5"); }), HasSubstr("damaged"));
}

TEST(ThawFile, OfALaterVersionIsRefused) {
  const TempFolder folder;
  {
    h5::Writer file(folder / "w.h5");
    file.text("", "format", "thaw-weights");
    file.text("", "version", "2");
    file.commit();
  }
  EXPECT_THAT(data_error([&] { (void)read_thaw_h5(folder / "w.h5"); }), HasSubstr("version '2'"));
}

TEST(ReadWeights, TellsTheFormatsApartByTheirStructure) {
  const TempFolder folder;
  const WeightSet set = tiny_set();
  write_thaw_h5(folder / "thaw.h5", set, {{"k", "v"}});
  write_keras_h5(folder / "keras.h5", tiny_spec(), set);
  Metadata metadata{{"stale", "x"}};
  EXPECT_EQ(content_sha256(read_weights(folder / "keras.h5", tiny_spec(), &metadata)), content_sha256(set));
  EXPECT_TRUE(metadata.empty());
  EXPECT_EQ(content_sha256(read_weights(folder / "thaw.h5", tiny_spec(), &metadata)), content_sha256(set));
  EXPECT_EQ(metadata.at("k"), "v");
}

TEST(ReadWeights, KeepsTheTensorsOfAHead) {
  const TempFolder folder;
  WeightSet set = tiny_set();
  set.tensors.push_back({"head/kernel", {5, 8}, std::vector<float>(40, 0.5F)});
  write_thaw_h5(folder / "w.h5", set);
  EXPECT_EQ(read_weights(folder / "w.h5", tiny_spec()).find("head/kernel")->data[39], 0.5F);
}

TEST(ReadWeights, RefusesAThawFileOfAnotherModel) {
  const TempFolder folder;
  WeightSet set = tiny_set();
  set.model_id = "resnet50";
  write_thaw_h5(folder / "w.h5", set);
  EXPECT_THAT(data_error([&] { (void)read_weights(folder / "w.h5", tiny_spec()); }),
              AllOf(HasSubstr("resnet50"), HasSubstr("expected mobilenet_v3_tiny")));
}

TEST(ReadWeights, RefusesAThawFileThatLacksATensorOrHasAnotherShape) {
  const TempFolder folder;
  WeightSet set = tiny_set();
  set.tensors[0].shape = {4, 3, 9, 1};
  write_thaw_h5(folder / "shape.h5", set);
  EXPECT_THAT(data_error([&] { (void)read_weights(folder / "shape.h5", tiny_spec()); }),
              AllOf(HasSubstr("(4,3,9,1)"), HasSubstr("(4,3,3,3)")));
  set.tensors.erase(set.tensors.begin());
  write_thaw_h5(folder / "lack.h5", set);
  EXPECT_THAT(data_error([&] { (void)read_weights(folder / "lack.h5", tiny_spec()); }), HasSubstr("conv/kernel"));
}

TEST(ContentDigest, ChangesWithNamesShapesAndBits) {
  const WeightSet set{"m", "", "", {{"t", {2, 2}, {1, 2, 3, 4}}}, {}};
  WeightSet renamed = set;
  renamed.tensors[0].name = "u";
  WeightSet reshaped = set;
  reshaped.tensors[0].shape = {4};
  WeightSet changed = set;
  changed.tensors[0].data[3] = 5;
  for (const WeightSet& other : {renamed, reshaped, changed}) EXPECT_NE(content_sha256(other), content_sha256(set));
}

}  // namespace
}  // namespace thaw
