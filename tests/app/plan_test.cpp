#include <gmock/gmock.h>

#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;

TEST(Plan, SaysOfABuildWithoutCudaThatNobodyCanBeAsked) {
  if (call({"devices"}).out.find("this build has no CUDA") == std::string::npos) {
    GTEST_SKIP() << "this build has CUDA; its plans are tested in tests/plans";
  }
  const Outcome outcome = call({"plan", "mobilenet_v3_small", "--gpu", "h200"});
  EXPECT_EQ(outcome.code, exit_device);
  EXPECT_THAT(outcome.err, HasSubstr("this build of thaw has no CUDA"));
  EXPECT_EQ(outcome.out, "");
}

TEST(Plan, ChecksItsOptionsFirst) {
  const auto refused = [](std::vector<std::string> more, const std::string& words) {
    std::vector<std::string> all = {"plan", "mobilenet_v3_small", "--gpu", "h200"};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = call(all);
    EXPECT_EQ(outcome.code, exit_usage) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(words));
  };
  refused({"--batch", "0"}, "--batch wants 1 to 65536, not 0");
  refused({"--size", "5000"}, "--size wants at most 4096, not 5000");
  refused({"--dtype", "f64"}, "--dtype is one of f32, bf16, not 'f64'");
  refused({"--unfreeze", "blocks"}, "blocks");
  EXPECT_THAT(call({"plan", "mobilenet_v3_small"}).err, HasSubstr("--gpu is required"));
}

}  // namespace
}  // namespace thaw::testing
