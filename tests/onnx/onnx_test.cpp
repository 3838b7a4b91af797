// ONNX' published operator cases on every usable backend: an oracle from outside.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string_view>

#include "tests/onnx/runner.h"
#include "tests/onnx/table.h"

namespace thaw::test {

namespace {

/// How many cases of libonnx-testdata 1.12.0-2 run in f64, and in f32 (some hold larger numbers). Raise them with a new
/// adapter; fewer means that a case was lost.
constexpr std::size_t kRunInF64 = 211;
constexpr std::size_t kRunInF32 = 207;

constexpr const char* kNotInstalled =
    "ONNX' cases are not installed: apt-get install libonnx-testdata (scripts/setup does), or set THAW_ONNX_CASES";

struct Setting {
  Device device;
  Case published;
};

std::ostream& operator<<(std::ostream& out, const Setting& setting) {
  return out << fmt::format("{} {} {}", setting.published.text(), setting.device.name, name_of(setting.device.dtype));
}

std::string setting_name(const testing::TestParamInfo<Setting>& info) {
  const Case& c = info.param.published;
  std::string name = fmt::format("{}_{}_{}", info.param.device.name, c.suite, c.name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<Setting> settings() {
  std::vector<Setting> out;
  for (const Device& device : usable_devices()) {
    for (const Judged& judged : judged_cases()) {
      if (judged.runs_in(device.dtype)) out.push_back({device, judged.published});
    }
  }
  return out;
}

class OnnxCase : public testing::TestWithParam<Setting> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OnnxCase);

}  // namespace

TEST_P(OnnxCase, GivesThePublishedNumbers) {
  const Setting& setting = GetParam();
  const auto comparison = run_and_compare(setting.device, setting.published);
  if (!comparison) GTEST_SKIP() << setting.device.name << " does not offer a call of this case";
  EXPECT_EQ(comparison->difference, "") << "reproduce: thaw_test_onnx --gtest_filter='*OnnxCase*"
                                        << setting_name({setting, 0}) << "', data in " << setting.published.folder;
}

INSTANTIATE_TEST_SUITE_P(Published, OnnxCase, testing::ValuesIn(settings()), setting_name);

TEST(OnnxCases, AreRunOrListedWithTheReasonWhyNot) {
  if (judged_cases().empty()) GTEST_SKIP() << kNotInstalled;
  Table table;
  for (const Judged& judged : judged_cases()) EXPECT_EQ(table.add(judged), "");
  fmt::print("{}", table.text());
  EXPECT_EQ(table.listed(), find_cases().size()) << "a case is neither run nor listed";
  EXPECT_GE(table.passed("cpu"), kRunInF32) << "a case that ran on cpu is lost";
  EXPECT_GE(table.passed("reference"), kRunInF64) << "a case that ran on reference is lost";
}

TEST(OnnxCases, ExpandedHoldTheNumbersOfTheCaseWithoutTheSuffix) {
  if (judged_cases().empty()) GTEST_SKIP() << kNotInstalled;
  constexpr std::string_view kSuffix = "_expanded";
  for (const Judged& judged : judged_cases()) {
    const Case& expanded = judged.published;
    if (!expanded.name.ends_with(kSuffix)) continue;
    const std::string plain = expanded.folder.substr(0, expanded.folder.size() - kSuffix.size());
    const Model model = model_of({expanded.suite, expanded.name, plain});
    for (std::size_t i = 0; i < model.outputs.size(); ++i) {
      const std::string file = fmt::format("/test_data_set_0/output_{}.pb", i);
      EXPECT_EQ(read_file(expanded.folder + file), read_file(plain + file)) << expanded.text();
    }
  }
}

TEST(OnnxCases, HoldInBf16WithinItsRounding) {
  if (judged_cases().empty()) GTEST_SKIP() << kNotInstalled;
  for (const Device& device : usable_devices()) {
    if (!make_backend(device.name)->supports(Dtype::bf16)) continue;
    for (const Judged& judged : judged_cases()) {
      if (!judged.runs_in(Dtype::bf16)) continue;
      const auto comparison = run_and_compare({device.name, Dtype::bf16}, judged.published);
      EXPECT_EQ(comparison ? comparison->difference : "", "") << judged.published.text() << " on " << device.name;
    }
  }
}

}  // namespace thaw::test
