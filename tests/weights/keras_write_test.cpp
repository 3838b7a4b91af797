#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/weights/fixtures.h"
#include "weights/h5_reader.h"
#include "weights/h5_writer.h"
#include "weights/keras_h5.h"
#include "weights/synth.h"

namespace thaw {
namespace {

using testing::data_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;
using testing::tiny_spec;

TEST(KerasExport, GivesBackTheSameBitsWhenRead) {
  const TempFolder folder;
  const WeightSet set = synthetic_weights(tiny_spec());
  write_keras_h5(folder / "w.h5", tiny_spec(), set);
  const WeightSet back = read_keras_h5(folder / "w.h5", tiny_spec());
  ASSERT_EQ(back.tensors.size(), set.tensors.size());
  for (const NamedTensor& tensor : set.tensors) EXPECT_EQ(back.find(tensor.name)->data, tensor.data) << tensor.name;
}

class ExportOfAModel : public ::testing::TestWithParam<std::string> {};

TEST_P(ExportOfAModel, ListsAllItsLayersAndGivesBackTheSameBits) {
  const auto csv = testing::fact("keras/" + GetParam() + "_layers.csv");
  if (!csv) GTEST_SKIP() << "no layer table below $THAW_FACTS";
  const TempFolder folder;
  const ModelSpec spec = testing::fact_spec(*csv, GetParam());
  const WeightSet set = synthetic_weights(spec);
  const auto names = testing::fact_layer_names(*csv);
  write_keras_h5(folder / "w.h5", spec, set, {.layer_names = names});
  const h5::Reader file(folder / "w.h5");
  EXPECT_EQ(file.text_list("", "layer_names")->size(), names.size());
  const WeightSet back = read_keras_h5(folder / "w.h5", spec);
  EXPECT_TRUE(back.notes.empty());
  for (const NamedTensor& tensor : set.tensors) ASSERT_EQ(back.find(tensor.name)->data, tensor.data) << tensor.name;
}

INSTANTIATE_TEST_SUITE_P(Models, ExportOfAModel,
                         ::testing::Values("resnet50", "mobilenet_v3_large", "mobilenet_v3_small"));

TEST(KerasExport, WritesTheAttributesThatKerasReads) {
  const TempFolder folder;
  write_keras_h5(folder / "w.h5", tiny_spec(), synthetic_weights(tiny_spec()),
                 {.layer_names = {"input_layer", "conv", "conv_bn", "re_lu", "expanded_conv_depthwise",
                                  "expanded_conv_squeeze_excite_conv"}});
  const h5::Reader file(folder / "w.h5");
  EXPECT_EQ(file.text("", "backend"), "tensorflow");
  EXPECT_EQ(file.text("", "keras_version"), "2.6.0");
  EXPECT_THAT(*file.text_list("", "layer_names"),
              ElementsAre("input_layer", "Conv", "Conv/BatchNorm", "re_lu", "expanded_conv/depthwise",
                          "expanded_conv/squeeze_excite/Conv"));
  EXPECT_THAT(*file.text_list("re_lu", "weight_names"), ElementsAre());
  EXPECT_THAT(*file.text_list("expanded_conv/depthwise", "weight_names"),
              ElementsAre("expanded_conv/depthwise/depthwise_kernel:0"));
}

TEST(KerasExport, NamesTheTensorsThatItLeavesOut) {
  const TempFolder folder;
  WeightSet set = synthetic_weights(tiny_spec());
  set.tensors.push_back({"head/kernel", {5, 8}, std::vector<float>(40)});
  EXPECT_THAT(write_keras_h5(folder / "w.h5", tiny_spec(), set), ElementsAre("head/kernel"));
}

TEST(KerasExport, OfAnIncompleteSetIsRefusedAndLeavesNoFile) {
  const TempFolder folder;
  WeightSet set = synthetic_weights(tiny_spec());
  set.tensors.pop_back();
  EXPECT_THAT(data_error([&] { write_keras_h5(folder / "w.h5", tiny_spec(), set); }),
              HasSubstr("expanded_conv_squeeze_excite_conv/bias"));
  EXPECT_FALSE(std::filesystem::exists(folder / "w.h5"));
}

TEST(KerasExport, RefusesALayerListThatIsIncompleteOrOutOfOrder) {
  const TempFolder folder;
  const WeightSet set = synthetic_weights(tiny_spec());
  EXPECT_THROW(write_keras_h5(folder / "w.h5", tiny_spec(), set, {.layer_names = {"conv", "conv_bn"}}), Error);
  EXPECT_THROW(write_keras_h5(folder / "w.h5", tiny_spec(), set, {.layer_names = {"conv_bn", "conv"}}), Error);
}

TEST(KerasExport, WritesTheSameBytesTwice) {
  const TempFolder folder;
  const WeightSet set = synthetic_weights(tiny_spec());
  write_keras_h5(folder / "a.h5", tiny_spec(), set);
  write_keras_h5(folder / "b.h5", tiny_spec(), set);
  EXPECT_EQ(testing::bytes_of(folder / "a.h5"), testing::bytes_of(folder / "b.h5"));
}

TEST(LongNameLists, AreSplitAsKerasSplitsThemAndReadBackWhole) {
  const TempFolder folder;
  std::vector<std::string> names;
  for (int i = 0; i < 2001; ++i)
    names.push_back(fmt::format("{:064}", i));  // 128,064 bytes: two parts of 1001 and 1000
  {
    h5::Writer file(folder / "w.h5");
    file.text_list("", "layer_names", names);
    file.commit();
  }
  const h5::Reader file(folder / "w.h5");
  EXPECT_EQ(file.text_list("", "layer_names"), names);
  EXPECT_EQ(file.text_list("", "layer_names0")->size(), 1001U);
  EXPECT_EQ(file.text_list("", "layer_names1")->size(), 1000U);
}

TEST(Writer, ThatIsNotCommittedLeavesNothingBehind) {
  const TempFolder folder;
  {
    h5::Writer file(folder / "w.h5");
    file.text("", "a", "b");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

TEST(Writer, IntoAFileThatCannotBeMadeFailsWithItsName) {
  const TempFolder folder;
  testing::put_bytes(folder / "plain", "a file, no folder");
  try {
    const h5::Writer file(folder / "plain/w.h5");
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    EXPECT_THAT(error.what(), HasSubstr("plain"));
  }
}

}  // namespace
}  // namespace thaw
