#include <gmock/gmock.h>

#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;
using std::string_literals::operator""s;

/// A golden case of real Keras, on one backend and type.
struct GoldenCase {
  std::string model, input, golden;
  int frozen = -1;  ///< layers[:frozen] are frozen; -1: forward only
  std::string device, dtype;
  std::string rtol = {};  ///< empty: the type's own

  [[nodiscard]] std::vector<std::string> words(const fs::path& folder) const {
    std::vector<std::string> words = {"trace",    model,  "--weights", "synth", "--input",  input,
                                      "--device", device, "--dtype",   dtype,   "--compare"};
    if (frozen < 0) {
      words.push_back((folder / ("infer_" + golden + ".csv")).string());
      return words;
    }
    words.push_back((folder / ("train_" + golden + "_vars.csv")).string());
    words.push_back((folder / ("train_" + golden + ".json")).string());
    words.insert(words.end(),
                 {"--steps", "3", "--lr", "1e-4", "--bn", "train", "--unfreeze", "layer:" + std::to_string(frozen)});
    if (!rtol.empty()) words.insert(words.end(), {"--rtol", rtol, "--late-rtol", "3e-1"});
    return words;
  }
};

void PrintTo(const GoldenCase& golden, std::ostream* out) {
  *out << golden.golden << " on " << golden.device << " in " << golden.dtype;
}

class GoldenTest : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(GoldenTest, AgreesWithRealKeras) {
  const fs::path folder = folder_of("THAW_FACTS") / "keras" / "golden";
  if (!fs::is_directory(folder)) GTEST_SKIP() << "set THAW_FACTS to the folder that holds keras/golden";
  const Outcome outcome = call(GetParam().words(folder));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  RecordProperty("comparison", outcome.out);
}

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases;
  for (const auto& [device, dtype] : {std::pair("reference", "f64"), std::pair("cpu", "f32")}) {
    cases.push_back({"mobilenet_v3_small", "synth:64x2", "mobilenet_v3_small_64_b2", -1, device, dtype});
    cases.push_back({"mobilenet_v3_large", "synth:224x1", "mobilenet_v3_large_224_b1", -1, device, dtype});
    cases.push_back({"resnet50", "synth:64x2", "resnet50_64_b2", -1, device, dtype});
    cases.push_back({"resnet50", "synth:224x1", "resnet50_224_b1", -1, device, dtype});
    cases.push_back({"mobilenet_v3_large", "synth:64x8", "mobilenet_v3_large_64_b8_N0", 0, device, dtype});
    cases.push_back({"mobilenet_v3_large", "synth:64x8", "mobilenet_v3_large_64_b8_N150", 150, device, dtype});
    // Fifty layers of ReLUs on activations up to 1e6: inputs near 0 change side when they are stored in f32, so that
    // the reference backend with f32 storage and sums in double is itself 6e-3 away, and 6e-2 in the loss of step 3.
    cases.push_back({"resnet50", "synth:64x8", "resnet50_64_b8_N0", 0, device, dtype, dtype == "f32"s ? "2e-2" : ""});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenTest, ::testing::ValuesIn(golden_cases()), [](const auto& tested) {
  return std::string(tested.param.frozen < 0 ? "Infer_" : "Train_") + tested.param.golden + "_" + tested.param.device;
});

TEST(Golden, ATraceOfOtherPixelsIsAMismatchThatNamesItsLayer) {
  const TempFolder folder;
  ASSERT_EQ(call({"trace", "mobilenet_v3_small", "--weights", "synth", "--input", "synth:32x1", "--csv",
                  folder.at("golden.csv")})
                .code,
            0);
  ASSERT_EQ(call({"weights", "synth", "mobilenet_v3_small", "--out", folder.at("w.h5")}).code, 0);
  const Outcome other = call({"trace", "mobilenet_v3_small", "--weights", "none", "--input", "synth:32x1", "--compare",
                              folder.at("golden.csv")});
  EXPECT_EQ(other.code, 5);
  EXPECT_THAT(other.err, HasSubstr("layer 'conv'"));
  const Outcome same = call({"trace", "mobilenet_v3_small", "--weights", folder.at("w.h5"), "--input", "synth:32x1",
                             "--compare", folder.at("golden.csv")});
  EXPECT_EQ(same.code, 0) << same.err;
}

}  // namespace
}  // namespace thaw::testing
