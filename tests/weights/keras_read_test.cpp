#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "kernels/digest.h"
#include "tests/weights/fixtures.h"
#include "weights/keras_h5.h"
#include "weights/thaw_h5.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using testing::data_error;
using ::testing::HasSubstr;
using testing::RawFile;
using testing::RawLayer;
using testing::StringForm;
using testing::TempFolder;
using testing::tiny_layers;
using testing::tiny_spec;

/// Every tensor of `set` has the values that the raw file gave its dataset.
void expect_raw_values(const WeightSet& set, ModelSpec spec) {
  fill_h5_names(spec);
  for (const LayerSpec& layer : spec.layers) {
    for (const TensorSpec& tensor : layer.tensors) {
      const NamedTensor* found = set.find(tensor.name);
      ASSERT_NE(found, nullptr) << tensor.name;
      EXPECT_EQ(found->shape, native_shape(tensor));
      const std::vector<float> keras = to_keras(tensor, found->data);
      for (std::size_t i = 0; i < keras.size(); ++i) {
        ASSERT_EQ(keras[i], testing::raw_value(tensor.h5_dataset, i)) << tensor.name << " element " << i;
      }
    }
  }
}

class KerasStrings : public ::testing::TestWithParam<StringForm> {};

TEST_P(KerasStrings, AreReadInEitherForm) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", tiny_layers(), GetParam());
  expect_raw_values(read_keras_h5(folder / "w.h5", tiny_spec()), tiny_spec());
}

INSTANTIATE_TEST_SUITE_P(Forms, KerasStrings, ::testing::Values(StringForm::fixed, StringForm::variable));

TEST(KerasFile, WithLayerNamesSplitOverTwoAttributesIsRead) {
  const TempFolder folder;
  {
    RawFile file(folder / "w.h5");
    std::vector<std::string> names;
    for (const RawLayer& layer : tiny_layers()) {
      file.layer("", layer);
      names.push_back(layer.name);
    }
    file.strings("", "layer_names0", {names.begin(), names.begin() + 3});
    file.strings("", "layer_names1", {names.begin() + 3, names.end()});
  }
  expect_raw_values(read_keras_h5(folder / "w.h5", tiny_spec()), tiny_spec());
}

TEST(KerasFile, OfAWholeModelIsReadFromItsModelWeights) {
  const TempFolder folder;
  {
    RawFile file(folder / "w.h5");
    std::vector<std::string> names;
    for (const RawLayer& layer : tiny_layers()) {
      file.layer("model_weights", layer);
      names.push_back(layer.name);
    }
    file.strings("model_weights", "layer_names", names);
    file.group("optimizer_weights");
  }
  expect_raw_values(read_keras_h5(folder / "w.h5", tiny_spec()), tiny_spec());
}

TEST(KerasFile, MayHaveTopLevelModelWeights) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", tiny_layers(), StringForm::fixed, [](RawFile& file) {
    file.group("top_level_model_weights");
    file.empty_list("top_level_model_weights", "weight_names");
  });
  expect_raw_values(read_keras_h5(folder / "w.h5", tiny_spec()), tiny_spec());
}

TEST(KerasFile, SavedByKeras3UnderItsOwnNamesIsRead) {
  const TempFolder folder;
  std::vector<RawLayer> layers;
  for (const LayerSpec& layer : tiny_spec().layers) {
    RawLayer raw{layer.name, {}};
    for (const TensorSpec& tensor : layer.tensors) {
      raw.weights.push_back({tensor.name, {tensor.keras_shape.begin(), tensor.keras_shape.end()}});
    }
    layers.push_back(raw);
  }
  testing::write_raw_keras(folder / "w.h5", layers);
  const WeightSet set = read_keras_h5(folder / "w.h5", tiny_spec());
  EXPECT_EQ(set.find("conv/kernel")->data[0], testing::raw_value("conv/kernel", 0));
  EXPECT_TRUE(set.notes.empty());
}

TEST(KerasFile, WithUnknownLayerNamesIsReadByOrderAndSaysSo) {
  const TempFolder folder;
  std::vector<RawLayer> layers = tiny_layers();
  for (RawLayer& layer : layers)
    layer.name = "renamed_" + layer.name.substr(0, layer.name.find('/')) + layer.name.back();
  testing::write_raw_keras(folder / "w.h5", layers);
  const WeightSet set = read_keras_h5(folder / "w.h5", tiny_spec());
  expect_raw_values(set, tiny_spec());
  EXPECT_THAT(set.notes, ::testing::ElementsAre(HasSubstr("by their order")));
}

TEST(KerasFile, IsRememberedAsTheSourceByNameAndHash) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", tiny_layers());
  const WeightSet set = read_keras_h5(folder / "w.h5", tiny_spec());
  EXPECT_EQ(set.model_id, "mobilenet_v3_tiny");
  EXPECT_EQ(set.source, "w.h5");
  EXPECT_EQ(set.source_sha256, sha256_file(folder / "w.h5"));
}

TEST(KerasFile, CompressedWithDeflateAndShuffleIsRead) {
  const TempFolder folder;
  std::vector<RawLayer> layers = tiny_layers();
  layers[1].weights.clear();
  testing::write_raw_keras(folder / "w.h5", layers, StringForm::fixed, [](RawFile& file) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {3, 3, 3, 4};
    H5Pset_chunk(creation, 4, chunk);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 6);
    file.floats("Conv/Conv/kernel:0", {3, 3, 3, 4}, creation);
    H5Pclose(creation);
    const hid_t group = H5Oopen(file.id(), "/Conv", H5P_DEFAULT);
    H5Adelete(group, "weight_names");
    H5Oclose(group);
    file.strings("Conv", "weight_names", {"Conv/kernel:0"});
  });
  expect_raw_values(read_keras_h5(folder / "w.h5", tiny_spec()), tiny_spec());
}

TEST(SampleFile, InTheOfficialLayoutIsRead) {
  const auto sample = testing::fact("keras/sample_legacy_layout.h5");
  const auto csv = testing::fact("keras/mobilenet_v3_small_layers.csv");
  if (!sample || !csv) GTEST_SKIP() << "no sample file below $THAW_FACTS";
  ModelSpec spec = testing::fact_spec(*csv, "mobilenet_v3_small");
  spec.layers.resize(6);  // the sample holds the stem and the first block's depthwise and SE layers
  const WeightSet set = read_keras_h5(*sample, spec);
  EXPECT_EQ(set.tensors.size(), 14U);
  EXPECT_EQ(set.find("expanded_conv_depthwise/kernel")->shape, (std::vector<std::int64_t>{3, 3, 16}));
}

using RealFile = std::tuple<std::string, std::string>;  // model, asset
class RealKerasFile : public ::testing::TestWithParam<RealFile> {
 protected:
  void SetUp() override {
    const auto& [model, name] = GetParam();
    csv_ = testing::fact("keras/" + model + "_layers.csv");
    file_ = testing::asset(name);
    if (!csv_ || !file_) GTEST_SKIP() << "needs $THAW_FACTS and " << name << " below $THAW_ASSETS";
    spec_ = testing::fact_spec(*csv_, model);
  }
  std::optional<std::filesystem::path> csv_;
  std::optional<std::filesystem::path> file_;
  ModelSpec spec_;
};

/// A dataset read by its path, with nothing of thaw in between.
std::vector<float> read_plainly(const std::filesystem::path& path, const std::string& dataset, std::size_t count) {
  std::vector<float> values(count);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t data = H5Dopen2(file, dataset.c_str(), H5P_DEFAULT);
  EXPECT_EQ(H5Dget_storage_size(data), count * sizeof(float));
  H5Dread(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(data);
  H5Fclose(file);
  return values;
}

TEST_P(RealKerasFile, HasEveryTensorOfItsModelWithFiniteValues) {
  const WeightSet set = read_keras_h5(*file_, spec_);
  std::size_t tensors = 0;
  for (const LayerSpec& layer : spec_.layers) tensors += layer.tensors.size();
  EXPECT_EQ(set.tensors.size(), tensors);
  EXPECT_TRUE(set.notes.empty());
  for (const NamedTensor& tensor : set.tensors) {
    for (const float value : tensor.data) ASSERT_TRUE(std::isfinite(value)) << tensor.name;
  }
}

TEST_P(RealKerasFile, GivesTheValuesThatPlainHdf5CallsGive) {
  const WeightSet set = read_keras_h5(*file_, spec_);
  for (const testing::FactLayer& fact : testing::fact_layers(*csv_)) {
    for (std::size_t j = 0; j < fact.layer.tensors.size(); ++j) {
      const TensorSpec& tensor = fact.layer.tensors[j];
      const NamedTensor* found = set.find(tensor.name);
      ASSERT_NE(found, nullptr) << tensor.name;
      ASSERT_EQ(to_keras(tensor, found->data), read_plainly(*file_, fact.h5_datasets[j], found->data.size()));
    }
  }
}

TEST_P(RealKerasFile, ComesBackBitByBitThroughThawsFormat) {
  const TempFolder folder;
  write_thaw_h5(folder / "thaw.h5", read_keras_h5(*file_, spec_));
  write_keras_h5(folder / "keras.h5", spec_, read_weights(folder / "thaw.h5", spec_),
                 {.layer_names = testing::fact_layer_names(*csv_)});
  for (const testing::FactLayer& fact : testing::fact_layers(*csv_)) {
    for (std::size_t j = 0; j < fact.h5_datasets.size(); ++j) {
      const auto count = static_cast<std::size_t>(element_count(fact.layer.tensors[j].keras_shape));
      ASSERT_EQ(read_plainly(folder / "keras.h5", fact.h5_datasets[j], count),
                read_plainly(*file_, fact.h5_datasets[j], count));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Assets, RealKerasFile,
                         ::testing::Values(RealFile{"mobilenet_v3_small", "mobilenet_v3_small_imagenet_notop.h5"},
                                           RealFile{"mobilenet_v3_large", "mobilenet_v3_large_plantvillage_notop.h5"}),
                         [](const auto& test) { return std::get<0>(test.param); });

TEST(RealFileOfSmall, GivenForLargeIsRefusedByName) {
  const auto csv = testing::fact("keras/mobilenet_v3_large_layers.csv");
  const auto file = testing::asset("mobilenet_v3_small_imagenet_notop.h5");
  if (!csv || !file) GTEST_SKIP() << "needs $THAW_FACTS and $THAW_ASSETS";
  const ModelSpec large = testing::fact_spec(*csv, "mobilenet_v3_large");
  EXPECT_THAT(data_error([&] { (void)read_keras_h5(*file, large); }),
              AllOf(HasSubstr("86 weighted layers"), HasSubstr("mobilenet_v3_large has 108"),
                    HasSubstr("it looks like mobilenet_v3_small")));
}

}  // namespace
}  // namespace thaw
