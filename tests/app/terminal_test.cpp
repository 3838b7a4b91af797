#include "app/terminal.h"

#include <gmock/gmock.h>

#include <sstream>

#include "app/progress.h"
#include "kernels/error.h"

namespace thaw {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A console on strings, as a terminal or as a file would be.
struct TestConsole {
  explicit TestConsole(bool terminal) { console.interactive = terminal; }
  std::ostringstream out, err;
  Console console{.out = out, .err = err};
};

TEST(Terminal, TakesStringStreamsForNoTerminal) {
  std::ostringstream out, err;
  const Console console = make_console(out, err);
  EXPECT_FALSE(console.interactive);
  EXPECT_FALSE(console.colour);
  EXPECT_EQ(bold(console, "word"), "word");
}

TEST(Terminal, AlignsColumnsByWhatIsSeen) {
  Table table({"name", ">count"});
  table.add({"rösli", "7"});
  table.add({"tulip", "1,234"});
  EXPECT_EQ(table.text(), "name   count\nrösli      7\ntulip  1,234\n");
}

TEST(Terminal, WritesTimesSizesAndCountsForReaders) {
  EXPECT_EQ(seconds_text(0.44), "0.4 s");
  EXPECT_EQ(seconds_text(59.4), "59 s");
  EXPECT_EQ(seconds_text(200), "3 min 20 s");
  EXPECT_EQ(seconds_text(3900), "1 h 05 min");
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(std::uint64_t{3} << 29), "1.5 GiB");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(count_text(-1234), "-1,234");
  EXPECT_EQ(percent_text(0.95095), "95.1 %");
}

TEST(Terminal, ReadsSizesWithTheirUnits) {
  EXPECT_EQ(parse_bytes("2GiB", "--x"), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_bytes("1.5M", "--x"), std::uint64_t{3} << 19);
  EXPECT_EQ(parse_bytes("500MB", "--x"), 500000000U);
  EXPECT_EQ(parse_bytes("0", "--x"), 0U);
  for (const char* bad : {"", "GiB", "-1", "2GB2", "nan"}) EXPECT_THROW(parse_bytes(bad, "--x"), Error) << bad;
}

TEST(Progress, RedrawsItsBarAtMostTenTimesASecond) {
  TestConsole test(true);
  double now = 0;
  ProgressLine progress(test.console, [&now] { return now; });
  progress.begin("epoch 1/2", 1000);
  for (int i = 1; i <= 1000; ++i) {
    now += 0.001;
    progress.update(i);
  }
  const std::string text = test.err.str();
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 11);
  EXPECT_GE(std::count(text.begin(), text.end(), '\r'), 9);
}

TEST(Progress, PrintsPlainLinesAtMostEveryTenSeconds) {
  TestConsole test(false);
  double now = 0;
  ProgressLine progress(test.console, [&now] { return now; });
  progress.begin("epoch 1/2", 100);
  for (int i = 1; i <= 100; ++i) {
    now += 0.25;
    progress.update(i);
  }
  const std::string text = test.err.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, Not(HasSubstr("\r")));
  EXPECT_THAT(text, HasSubstr("epoch 1/2  40/100  ETA 15 s"));
}

TEST(Progress, CountsOnlyItsOwnWorkIntoTheEstimate) {
  TestConsole test(false);
  double now = 0;
  ProgressLine progress(test.console, [&now] { return now; });
  progress.begin("epoch 1/2", 100, 60);
  now = 20;
  progress.update(80);
  EXPECT_THAT(test.err.str(), HasSubstr("80/100  ETA 20 s"));
}

TEST(Progress, AddsWhatComesLater) {
  TestConsole test(false);
  double now = 0;
  ProgressLine progress(test.console, [&now] { return now; });
  progress.begin("epoch 1/2", 100);
  now = 20;
  progress.update(50, "loss 1.0", 100);
  EXPECT_THAT(test.err.str(), HasSubstr("50/100  loss 1.0  ETA 20 s (all 2 min 00 s)"));
}

TEST(Progress, NeverDrawsALineThatWouldWrap) {
  TestConsole test(true);
  test.console.width = 30;
  double now = 0;
  ProgressLine progress(test.console, [&now] { return now; });
  progress.begin("a label that is long by itself", 100);
  now = 1;
  progress.update(50, "with a detail that makes it longer");
  const std::string text = test.err.str();
  EXPECT_LT(text.find("\x1b[K"), 31U);
}

TEST(Progress, WipesItsBar) {
  TestConsole test(true);
  double now = 0;
  {
    ProgressLine progress(test.console, [&now] { return now; });
    progress.begin("x", 10);
    now = 1;
    progress.update(5);
  }
  EXPECT_THAT(test.err.str(), ::testing::EndsWith("\r\x1b[K"));
}

}  // namespace
}  // namespace thaw
