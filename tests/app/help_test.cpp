#include <gmock/gmock.h>

#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;

class HelpTest : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(HelpTest, EndsWithAnExampleOfTheCommandItself) {
  std::vector<std::string> words = GetParam();
  std::string command = "thaw";
  for (const std::string& word : words) command += " " + word;
  words.emplace_back("--help");
  const Outcome outcome = call(words);
  EXPECT_EQ(outcome.code, 0);
  const std::size_t example = outcome.out.find("Example:");
  ASSERT_NE(example, std::string::npos) << outcome.out;
  EXPECT_THAT(outcome.out.substr(example), HasSubstr(command + " "));
  EXPECT_EQ(outcome.err, "");
}

INSTANTIATE_TEST_SUITE_P(
    Commands, HelpTest,
    ::testing::Values(std::vector<std::string>{}, std::vector<std::string>{"train"}, std::vector<std::string>{"eval"},
                      std::vector<std::string>{"predict"}, std::vector<std::string>{"features"},
                      std::vector<std::string>{"describe"}, std::vector<std::string>{"plan"},
                      std::vector<std::string>{"trace"}, std::vector<std::string>{"devices"},
                      std::vector<std::string>{"weights"}, std::vector<std::string>{"weights", "convert"},
                      std::vector<std::string>{"weights", "inspect"}, std::vector<std::string>{"weights", "verify"},
                      std::vector<std::string>{"weights", "export"}, std::vector<std::string>{"weights", "synth"},
                      std::vector<std::string>{"data"}, std::vector<std::string>{"data", "stats"},
                      std::vector<std::string>{"data", "split"}, std::vector<std::string>{"data", "sheet"},
                      std::vector<std::string>{"data", "synth"}, std::vector<std::string>{"fetch"},
                      std::vector<std::string>{"fetch", "flowers"}, std::vector<std::string>{"fetch", "weights"},
                      std::vector<std::string>{"fetch", "file"}, std::vector<std::string>{"completion"},
                      std::vector<std::string>{"man"}),
    [](const auto& tested) {
      std::string name = "thaw";
      for (const std::string& word : tested.param) name += "_" + word;
      return name;
    });

TEST(Help, TellsTheVersion) { EXPECT_THAT(call({"--version"}).out, HasSubstr("thaw 0.")); }

TEST(Help, ListsTheExitCodes) { EXPECT_THAT(call({"--help"}).out, HasSubstr("129/130/143 interrupted")); }

}  // namespace
}  // namespace thaw::testing
