#include "weights/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "kernels/digest.h"
#include "tests/weights/fixtures.h"
#include "weights/features_h5.h"
#include "weights/h5_reader.h"
#include "weights/keras_h5.h"
#include "weights/manifest.h"
#include "weights/synth.h"
#include "weights/thaw_h5.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;
using testing::tiny_spec;

TEST(Digests, AreThePublishedOnesOfAbc) {
  const TempFolder folder;
  testing::put_bytes(folder / "abc", "abc");
  EXPECT_EQ(sha256_file(folder / "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(md5_file(folder / "abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_NE(testing::data_error([&] { (void)md5_file(folder / "none"); }), "");
}

TEST(Manifest, HasDistinctDigestsOfTheRightForm) {
  std::set<std::string_view> seen;
  for (const KnownFile& file : known_files()) {
    EXPECT_EQ(file.md5.size(), 32U) << file.file_name;
    EXPECT_EQ(file.md5.find_first_not_of("0123456789abcdef"), std::string_view::npos) << file.file_name;
    EXPECT_TRUE(seen.insert(file.md5).second) << file.file_name;
  }
}

TEST(Manifest, TellsTheTwoResNetFilesOfOneNameApart) {
  const KnownFile* old = known_file_by_md5("a268eb855778b3df3c7506639542a6af");
  ASSERT_NE(old, nullptr);
  EXPECT_THAT(std::string(old->trap), HasSubstr("before 2019"));
  const KnownFile* good = known_file_by_name(old->file_name);
  ASSERT_NE(good, nullptr);
  EXPECT_EQ(good->md5, "4d473c1dd8becc155b73f8504c6f6626");
  EXPECT_THAT(download_url(*good), HasSubstr("keras-applications/resnet/resnet50_weights"));
}

TEST(Inspect, ListsLayersTensorsAndTheirStatistics) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", testing::tiny_layers());
  const nlohmann::json report = inspect(folder / "w.h5");
  EXPECT_EQ(report["format"], "keras");
  EXPECT_EQ(report["layers"]["all"], 6);
  EXPECT_EQ(report["layers"]["weighted"], 4);
  EXPECT_EQ(report["parameters"], 108 + 16 + 36 + 32 + 8);
  ASSERT_EQ(report["tensors"].size(), 8U);
  const nlohmann::json& first = report["tensors"][0];
  EXPECT_EQ(first["name"], "Conv/kernel:0");
  EXPECT_EQ(first["shape"], nlohmann::json({3, 3, 3, 4}));
  float low = std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < 108; ++i) low = std::min(low, testing::raw_value("Conv/kernel:0", i));
  EXPECT_EQ(first["min"].get<float>(), low);
  EXPECT_TRUE(report["known_as"].is_null());
}

TEST(Inspect, ShowsAThawFilesMetadataAndCountsNonFiniteValues) {
  const TempFolder folder;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  write_thaw_h5(folder / "w.h5", {"m", "", "", {{"a/b", {3}, {1, nan, 3}}}, {}}, {{"settings", "{}"}});
  const nlohmann::json report = inspect(folder / "w.h5");
  EXPECT_EQ(report["format"], "thaw");
  EXPECT_EQ(report["metadata"]["settings"], "{}");
  EXPECT_EQ(report["tensors"][0]["nonfinite"], 1);
  EXPECT_EQ(report["tensors"][0]["mean"], 2.0);
}

TEST(Verify, AcceptsAGoodFile) {
  const TempFolder folder;
  write_keras_h5(folder / "w.h5", tiny_spec(), synthetic_weights(tiny_spec()));
  const Verification result = verify(folder / "w.h5", tiny_spec());
  EXPECT_TRUE(result.ok()) << result.json().dump();
  EXPECT_EQ(result.sha256, sha256_file(folder / "w.h5"));
}

std::vector<std::string> problems_with(const std::string& tensor, const std::vector<float>& values) {
  const TempFolder folder;
  WeightSet set = synthetic_weights(tiny_spec());
  for (NamedTensor& candidate : set.tensors) {
    if (candidate.name == tensor) std::copy(values.begin(), values.end(), candidate.data.begin());
  }
  write_thaw_h5(folder / "w.h5", set);
  return verify(folder / "w.h5", tiny_spec()).problems;
}

TEST(Verify, FindsValuesThatAreNotFinite) {
  EXPECT_THAT(problems_with("conv_bn/beta", {std::numeric_limits<float>::infinity()}),
              ElementsAre(AllOf(HasSubstr("conv_bn/beta"), HasSubstr("not finite"))));
}

TEST(Verify, FindsNegativeVariances) {
  EXPECT_THAT(problems_with("conv_bn/moving_variance", {-1e-3F}), ElementsAre(HasSubstr("1 negative variances")));
}

TEST(Verify, FindsAKernelThatWasNeverWritten) {
  EXPECT_THAT(problems_with("conv/kernel", std::vector<float>(108, 0.0F)), ElementsAre(HasSubstr("all zero")));
}

TEST(Verify, AnswersForABrokenFileInsteadOfThrowing) {
  const TempFolder folder;
  testing::put_bytes(folder / "w.h5", "text");
  EXPECT_THAT(verify(folder / "w.h5", tiny_spec()).problems, Contains(HasSubstr("not an HDF5 file")));
}

TEST(Verify, DistrustsAnOfficialNameWithAnotherDigest) {
  const TempFolder folder;
  const auto path = folder / "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5";
  write_keras_h5(path, tiny_spec(), synthetic_weights(tiny_spec()));
  EXPECT_THAT(verify(path, tiny_spec()).problems, ElementsAre(HasSubstr("d3e8ec802a04aa4fc771ee12a9a9b836")));
}

TEST(Features, AreWrittenWithTheirPathsRowByRow) {
  const TempFolder folder;
  const std::vector<float> features{1, 2, 3, 4, 5, 6};
  const std::vector<std::string> paths{"a.jpg", "sub/b \xc3\xa9.jpg"};
  write_features(folder / "f.h5", features, 2, 3, paths);
  h5::Reader file(folder / "f.h5");
  const h5::FileTensor tensor = file.tensor("features");
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(tensor.data, features);

  const hid_t raw = H5Fopen((folder / "f.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t data = H5Dopen2(raw, "paths", H5P_DEFAULT);
  const hid_t type = H5Dget_type(data);
  const hid_t space = H5Dget_space(data);
  std::vector<char*> strings(2);
  ASSERT_GE(H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, strings.data()), 0);
  EXPECT_STREQ(strings[0], "a.jpg");
  EXPECT_STREQ(strings[1], "sub/b \xc3\xa9.jpg");
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, strings.data());
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(data);
  H5Fclose(raw);
}

TEST(Features, WithAnotherNumberOfPathsAreRefused) {
  const TempFolder folder;
  const std::vector<float> features(6);
  EXPECT_ANY_THROW(write_features(folder / "f.h5", features, 2, 3, std::vector<std::string>{"a"}));
}

}  // namespace
}  // namespace thaw
