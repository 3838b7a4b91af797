#include "microscope/report.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "microscope/chart.h"

namespace thaw::microscope {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Timing timing(double seconds) {
  return {.seconds = {.samples = 7,
                      .median = seconds,
                      .first_quartile = seconds,
                      .third_quartile = seconds,
                      .interval = Interval{seconds, seconds}},
          .settled = true};
}

RunInfo run_info() {
  RunInfo info{.command = "conv", .date = "2026-01-02T03:04:05Z", .version = "0"};
  info.device.backend = "cpu";
  info.device.name = "a, \"quoted\" <device>";
  info.before = info.after = {.gflops = 100, .gbs = 10};
  info.options.seed = 9;
  info.threads = 2;
  return info;
}

std::vector<Row> three_rows() {
  Row conv{
      .request = {.family = "conv", .problem = "p<1>", .direction = "fwd", .name = "n"}, .flops = 1e9, .bytes = 1e6};
  conv.finding.agreement = Agreement::exact;
  conv.cold = conv.hot = timing(0.02);
  Row norm{.request = {.family = "norm", .problem = "q", .direction = "bwd", .count = 3}, .bytes = 1e8};
  norm.cold = norm.hot = timing(0.02);
  Row failed{.request = {.family = "conv", .problem = "r", .direction = "fwd"}};
  failed.error = "no";
  return {conv, norm, failed};
}

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

TEST(Report, ARowIsJudgedByTheRoofThatBindsIt) {
  const auto rows = three_rows();
  const nlohmann::json report = to_json(run_info(), rows);
  EXPECT_EQ(report["rows"][0]["bound"], "compute");
  EXPECT_NEAR(report["rows"][0]["cold"]["roof_share"].get<double>(), 0.5, 1e-12);
  EXPECT_NEAR(report["rows"][0]["cold"]["gflops"].get<double>(), 50, 1e-9);
  EXPECT_EQ(report["rows"][1]["bound"], "memory");
  EXPECT_NEAR(report["rows"][1]["cold"]["roof_share"].get<double>(), 0.5, 1e-12);
  EXPECT_TRUE(report["rows"][2]["cold"].is_null());
}

TEST(Report, ARowsReproLineNamesProblemDirectionDeviceAndSeed) {
  EXPECT_EQ(repro_line(three_rows()[1], run_info()), "thaw bench norm 'q' --dir bwd --device cpu --threads 2 --seed 9");
}

TEST(Report, AMachineThatWasNotLeftAloneIsNoted) {
  RunInfo info = run_info();
  EXPECT_FALSE(info.unsteady());
  info.after.gbs = 12;
  EXPECT_TRUE(info.unsteady());
  EXPECT_EQ(info.roof().gbs, 12) << "the better of the two";
}

TEST(Report, CsvHasALineARowAndQuotesWhatItMust) {
  const std::string csv = to_csv(run_info(), three_rows());
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
  EXPECT_THAT(csv, HasSubstr("\"a, \"\"quoted\"\" <device>\""));
  const auto columns = [](const std::string& line) {
    bool quoted = false;
    return std::count_if(line.begin(), line.end(), [&quoted](char letter) {
      if (letter == '"') quoted = !quoted;
      return letter == ',' && !quoted;
    });
  };
  std::istringstream lines(csv);
  std::string head, line;
  std::getline(lines, head);
  while (std::getline(lines, line)) EXPECT_EQ(columns(line), columns(head)) << line;
}

TEST(Chart, HasAMarkWithATitleForEveryTimedRowAndNothingFromOutside) {
  const std::string page = roofline_page(run_info(), three_rows());
  EXPECT_EQ(count(page, "<circle"), 2U);
  EXPECT_EQ(count(page, "<circle"), count(page, "</title></circle>"));
  EXPECT_EQ(count(page, "class=\"roof\""), 2U);
  EXPECT_THAT(page, HasSubstr("p&lt;1&gt;"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, Not(HasSubstr("http")));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
}

TEST(Chart, OfNoRowIsStillAPage) {
  const std::string page = roofline_page(run_info(), {});
  EXPECT_EQ(count(page, "<circle"), 0U);
  EXPECT_THAT(page, HasSubstr("</html>"));
}

}  // namespace
}  // namespace thaw::microscope
