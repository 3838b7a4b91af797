#include <gmock/gmock.h>

#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;

nlohmann::json json_of(const std::vector<std::string>& words) {
  const Outcome outcome = call(words);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return nlohmann::json::parse(outcome.out);
}

std::vector<std::string> some_photos(int count) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(drawn_photos())) {
    if (entry.path().extension() == ".jpg" && static_cast<int>(files.size()) < count) files.push_back(entry.path());
  }
  return files;
}

/// One short run that the reports below look at.
const std::string& trained() {
  static const TempFolder folder;
  static const std::string path = [] {
    const Outcome outcome = call(small_training(folder.at("run"), {"--epochs", "2"}));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return folder.at("run");
  }();
  return path;
}

TEST(Report, DescribesANetworkAsJson) {
  const nlohmann::json json = json_of({"describe", "resnet50", "--unfreeze", "layer:120", "--json"});
  for (const char* key :
       {"layers", "base_params", "base_trainable_params", "head_params", "first_trainable_layer", "cut"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  for (const char* key :
       {"index", "name", "type", "output_shape", "block", "params", "trainable_params", "frozen", "head"}) {
    EXPECT_TRUE(json.at("layers").at(0).contains(key)) << key;
  }
}

TEST(Report, ListsTheDevicesAsJson) {
  const nlohmann::json json = json_of({"devices", "--json"});
  std::vector<std::string> names;
  for (const nlohmann::json& device : json.at("devices")) names.push_back(device.at("device"));
  EXPECT_THAT(names, ::testing::IsSupersetOf({"cpu", "reference"}));
}

TEST(Report, SplitsPhotosAsJson) {
  const nlohmann::json json = json_of({"data", "split", drawn_photos()});
  EXPECT_EQ(json.at("train").size() + json.at("val").size() + json.at("test").size(), 40U);
  EXPECT_THAT(json.at("train").at(0).get<std::string>(), HasSubstr("drawn_"));
}

TEST(Report, SplitsTheRealFlowersAsThePaperDid) {
  const fs::path archive = folder_of("THAW_ASSETS") / "flower_photos.tgz";
  if (!fs::exists(archive)) GTEST_SKIP() << "set THAW_ASSETS to the folder that holds flower_photos.tgz";
  const nlohmann::json json = json_of({"data", "split", archive.string()});
  EXPECT_EQ(json.at("train").size(), 2753U);
  EXPECT_EQ(json.at("val").size(), 550U);
  EXPECT_EQ(json.at("test").size(), 367U);
}

TEST(Report, CountsPhotosAsJson) {
  const nlohmann::json json = json_of({"data", "stats", drawn_photos(), "--json"});
  EXPECT_TRUE(json.at("drawn_photos").get<bool>());
  EXPECT_EQ(json.at("sha256").get<std::string>().size(), 64U);
}

TEST(Report, WritesAContactSheet) {
  const TempFolder folder;
  ASSERT_EQ(
      call({"data", "sheet", drawn_photos(), "--per-class", "2", "--thumb", "32", "--out", folder.at("s.png")}).code,
      0);
  EXPECT_EQ(read_file(folder.at("s.png")).substr(1, 3), "PNG");
}

TEST(Report, EvaluatesTheTestPhotosAsTheTrainingDid) {
  const nlohmann::json result = read_json(trained() + "/result.json");
  const nlohmann::json json = json_of({"eval", "--weights", trained() + "/last.h5", "--data", drawn_photos(),
                                       "--device", "cpu", "--dtype", "f32", "--batch", "8", "--json"});
  EXPECT_EQ(json.at("images"), 8);
  EXPECT_EQ(json.at("accuracy"), result.at("test_accuracy"));
  EXPECT_NEAR(json.at("loss").get<double>(), result.at("test_loss").get<double>(), 1e-6);
  EXPECT_EQ(json.at("confusion_matrix"), result.at("confusion_matrix"));
}

TEST(Report, PredictsWithProbabilitiesThatAddUpToOne) {
  std::vector<std::string> words = {"predict", "--weights", trained() + "/last.h5", "--top", "5", "--json"};
  const std::vector<std::string> files = some_photos(3);
  words.insert(words.end(), files.begin(), files.end());
  const nlohmann::json json = json_of(words);
  ASSERT_EQ(json.at("predictions").size(), 3U);
  EXPECT_EQ(json.at("predictions").at(1).at("file"), files[1]);
  double sum = 0, before = 1;
  for (const nlohmann::json& guess : json.at("predictions").at(0).at("classes")) {
    EXPECT_LE(guess.at("probability").get<double>(), before);
    before = guess.at("probability").get<double>();
    sum += before;
    EXPECT_THAT(guess.at("name").get<std::string>(), HasSubstr("drawn_"));
  }
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(Report, WritesFeaturesInTheOrderOfTheFiles) {
  const TempFolder folder;
  std::vector<std::string> words = {"features", "--weights",       trained() + "/last.h5",
                                    "--out",    folder.at("f.h5"), "--json"};
  const std::vector<std::string> files = some_photos(3);
  words.insert(words.end(), files.begin(), files.end());
  const nlohmann::json json = json_of(words);
  EXPECT_EQ(json.at("photos"), 3);
  EXPECT_EQ(json.at("features"), 576);
  EXPECT_TRUE(fs::exists(folder.at("f.h5")));
}

TEST(Report, ConvertsAndExportsWeightsAndBack) {
  const TempFolder folder;
  const std::string keras = folder.at("keras.h5"), own = folder.at("own.h5"), again = folder.at("again.h5");
  ASSERT_EQ(call({"weights", "synth", "mobilenet_v3_small", "--keras", "--out", keras}).code, 0);
  ASSERT_EQ(call({"weights", "convert", keras, "--model", "mobilenet_v3_small", "--out", own}).code, 0);
  const Outcome exported = call({"weights", "export", own, "--out", again});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_TRUE(read_file(keras) == read_file(again));
}

TEST(Report, VerifiesAGoodFileAndRefusesADamagedOne) {
  const TempFolder folder;
  const std::string file = folder.at("w.h5");
  ASSERT_EQ(call({"weights", "synth", "mobilenet_v3_small", "--out", file}).code, 0);
  EXPECT_EQ(call({"weights", "verify", file}).code, 0);
  fs::resize_file(file, fs::file_size(file) - 4096);
  EXPECT_EQ(call({"weights", "verify", file, "--model", "mobilenet_v3_small"}).code, 3);
}

TEST(Report, InspectsWhatATrainingWrote) {
  const nlohmann::json json = json_of({"weights", "inspect", trained() + "/best.h5", "--json"});
  EXPECT_EQ(json.at("format"), "thaw");
  EXPECT_GT(json.at("tensors").size(), 100U);
}

}  // namespace
}  // namespace thaw::testing
