#include <gmock/gmock.h>

#include "grid/report.h"
#include "report_fixture.h"

namespace thaw::grid {
namespace {

using testing::Cell;
using testing::Cells;
using testing::count_of;
using ::testing::ElementsAre;
using testing::GridFolder;
using ::testing::HasSubstr;
using ::testing::Not;

GridReport varied_report() {
  const GridFolder folder(testing::varied_cells(), testing::varied_facts());
  testing::break_varied(folder);
  return make_report(folder.read());
}

/// Text that would be markup, a table's cell or a field's end wherever it is not escaped.
constexpr const char* kHostile = "<script>alert(\"x\")</script>,&'|`\n\x1b[31m\"";

GridReport hostile_report() {
  Cell failed{.model = kHostile, .unfreeze = kHostile, .outcome = {}, .settings = {{"bn", kHostile}}};
  Cell finished = failed;
  finished.outcome = testing::Outcome{};
  finished.settings = {{kHostile, kHostile}, {"bn", "b"}};
  finished.result = {{"class_names", {kHostile, kHostile}}, {"weights_source", kHostile}, {"thaw", kHostile}};
  const GridFolder folder(Cells{}, {{"title", kHostile},
                                    {"file", kHostile},
                                    {"overrides", {kHostile}},
                                    {"machine", {{kHostile, kHostile}}},
                                    {"published", {{"title", kHostile}}}});
  GridRecord record = folder.read();
  const GridFolder experiments(Cells{{}, {}});
  record.experiments = experiments.read().experiments;
  for (ExperimentRecord& experiment : record.experiments) {
    experiment.name = experiment.model = experiment.unfreeze = kHostile;
    experiment.settings[kHostile] = kHostile;
  }
  record.experiments[0].settings["bn"] = kHostile;
  record.experiments[0].result.update(finished.result);
  record.experiments[1].state = State::failed;
  record.experiments[1].result = nullptr;
  record.experiments[1].failure = Failure{.reason = kHostile, .kind = "data", .exit_code = 3};
  return make_report(record);
}

/// A CSV document as rows of fields, by the rules of RFC 4180.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, {""});
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string& field = rows.back().back();
    if (quoted && text[i] == '"' && text[i + 1] == '"') {
      field += text[++i];
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == ',') {
      rows.back().emplace_back();
    } else if (!quoted && text[i] == '\n') {
      rows.push_back({""});
    } else {
      field += text[i];
    }
  }
  rows.pop_back();
  return rows;
}

std::string field_of(const std::vector<std::vector<std::string>>& rows, std::size_t row, const std::string& heading) {
  for (std::size_t i = 0; i < rows[0].size(); ++i) {
    if (rows[0][i] == heading) return rows.at(row).at(i);
  }
  throw std::runtime_error("no column " + heading);
}

TEST(ReportCsv, BeginsWithTheColumnsOfThePublishedTables) {
  const auto rows = parse_csv(to_csv(varied_report()));
  ASSERT_EQ(rows.size(), 13U);
  EXPECT_THAT(std::vector<std::string>(rows[0].begin(), rows[0].begin() + 9),
              ElementsAre("model", "experiment", "strategy", "hyperparameter", "value", "epochs", "train_accuracy",
                          "val_accuracy", "test_accuracy"));
  EXPECT_THAT(std::vector<std::string>(rows[3].begin(), rows[3].begin() + 9),
              ElementsAre("resnet50", "3", "blocks", "blocks_to_unfreeze", "3", "2", "95", "91", "90"));
  for (const auto& row : rows) EXPECT_EQ(row.size(), rows[0].size());
}

TEST(ReportCsv, HoldsDifferencesAndReasons) {
  const auto rows = parse_csv(to_csv(varied_report()));
  EXPECT_EQ(field_of(rows, 3, "test_difference"), "-1");
  EXPECT_EQ(field_of(rows, 3, "train_minus_validation"), "4");
  EXPECT_EQ(field_of(rows, 10, "state"), "failed");
  EXPECT_EQ(field_of(rows, 10, "notes"), "the loss is NaN in step 7");
  EXPECT_EQ(field_of(rows, 10, "test_accuracy"), "");
  EXPECT_EQ(field_of(rows, 11, "notes"), "1 of 2 epochs");
  EXPECT_EQ(field_of(rows, 12, "state"), "waiting");
}

TEST(ReportCsv, HasPredictedBesideMeasuredMemory) {
  Cell one{.unfreeze = "blocks:1"}, other{.unfreeze = "blocks:2"}, absurd{.unfreeze = "blocks:3"};
  one.predicted = {{"seconds", 80}, {"memory_bytes", 12345678901}, {"cache_bytes", 7}};
  one.result = {{"peak_memory_bytes", 23456789012}};
  absurd.predicted = {{"memory_bytes", 1e300}};
  const GridFolder folder({one, other, absurd});
  const auto rows = parse_csv(to_csv(make_report(folder.read())));
  EXPECT_EQ(field_of(rows, 1, "predicted_memory_bytes"), "12345678901");
  EXPECT_EQ(field_of(rows, 1, "predicted_cache_bytes"), "7");
  EXPECT_EQ(field_of(rows, 1, "peak_memory_bytes"), "23456789012");
  for (const std::size_t row : {2U, 3U}) {
    EXPECT_EQ(field_of(rows, row, "predicted_memory_bytes"), "");
    EXPECT_EQ(field_of(rows, row, "predicted_cache_bytes"), "");
  }
}

TEST(ReportCsv, HostileTextComesBackAsItWas) {
  const auto rows = parse_csv(to_csv(hostile_report()));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(field_of(rows, 1, "model"), kHostile);
  EXPECT_EQ(field_of(rows, 2, "notes"), kHostile);
  EXPECT_EQ(field_of(rows, 1, "bn"), kHostile);
}

TEST(ReportJson, HasEveryPartOfTheReport) {
  const nlohmann::json json = nlohmann::json::parse(to_json(varied_report()).dump());
  for (const char* key :
       {"schema", "thaw", "title", "file", "file_sha256", "overrides", "machine", "published", "states", "settings",
        "varied", "provenance", "time_ratio", "best", "models", "experiments", "remarks", "notices", "findings"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json.at("states"), (nlohmann::json{{"finished", 9}, {"failed", 1}, {"half-done", 1}, {"waiting", 1}}));
  EXPECT_EQ(json.at("best").at("experiments").at(0),
            (nlohmann::json{{"model", "mobilenet_v3_large"}, {"experiment", 3}}));
  const nlohmann::json& model = json.at("models").at(0);
  EXPECT_DOUBLE_EQ(model.at("rows").at(2).at("test_accuracy").at("mean").get<double>(), 90);
  EXPECT_TRUE(model.at("rows").at(2).at("test_accuracy").at("sd").is_null());
  EXPECT_EQ(model.at("best_by_strategy").at("layers").at("experiments"), nlohmann::json({4}));
  EXPECT_EQ(model.at("advice").at(0).at("holds"), true);
  EXPECT_DOUBLE_EQ(json.at("experiments").at(2).at("test_accuracy").get<double>(), 90);
  EXPECT_TRUE(json.at("experiments").at(9).at("test_accuracy").is_null());
  EXPECT_EQ(json.at("experiments").at(9).at("reason"), "the loss is NaN in step 7");
}

TEST(ReportMarkdown, HasATableAModelWithOursBesideThePaper) {
  const std::string text = to_markdown(varied_report());
  EXPECT_THAT(text, HasSubstr("## ResNet50\n\n| no. | strategy |"));
  EXPECT_THAT(text,
              HasSubstr("| 3 | blocks | blocks_to_unfreeze = 3 | 2 | 95.00 | 95.00 | 0.00 | 91.00 | 90.00 | +1.00 "
                        "| 90.00 | 91.00 | −1.00 |"));
  EXPECT_THAT(text, HasSubstr("| failed: the loss is NaN in step 7 |"));
}

TEST(ReportMarkdown, HostileTextMakesNoMarkup) {
  const std::string text = to_markdown(hostile_report());
  EXPECT_THAT(text, Not(HasSubstr("<script")));
  std::size_t columns = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("| no.", 0) == 0) columns = count_of(line, "|") - count_of(line, "\\|");
    if (line.rfind("| 1 |", 0) == 0 || line.rfind("| 2 |", 0) == 0) {
      EXPECT_EQ(count_of(line, "|") - count_of(line, "\\|"), columns) << line;
    }
  }
  EXPECT_GT(columns, 0U);
}

TEST(ReportHtml, HostileTextMakesNoMarkup) {
  const std::string page = to_html(hostile_report());
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("alert(\"x")));
  EXPECT_THAT(page, Not(HasSubstr("\x1b")));
  EXPECT_GT(count_of(page, "&lt;script&gt;"), 8U);
}

TEST(ReportHtml, AsksNothingOfANetwork) {
  const std::string page = to_html(varied_report());
  for (const char* part : {"http:", "https:", "<script", "<link", "@import", "url(", "src="}) {
    EXPECT_THAT(page, Not(HasSubstr(part)));
  }
}

TEST(ReportHtml, ShowsAccuraciesDifferencesAndReasons) {
  const std::string page = to_html(varied_report());
  EXPECT_THAT(page, HasSubstr("<td class=\"n start test\">90.00</td><td class=\"n quiet\">91.00</td>"
                              "<td class=\"n quiet\">−1.00</td>"));
  EXPECT_THAT(page, HasSubstr("<p>failed: the loss is NaN in step 7</p>"));
  EXPECT_THAT(page, HasSubstr("<p>half-done: 1 of 2 epochs</p>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"n start state\">waiting</td>"));
}

TEST(ReportHtml, SeveralSeedsShowAsMeanAndDeviation) {
  const GridFolder folder(Cells{{.seed = 1, .outcome = testing::Outcome{.test = 0.90}},
                                {.seed = 2, .outcome = testing::Outcome{.test = 0.92}}});
  EXPECT_THAT(to_html(make_report(folder.read())), HasSubstr("91.00 ± 1.41"));
}

TEST(ReportHtml, LoudNoticesComeFirst) {
  const GridFolder folder(Cells{{.result = {{"drawn_photos", true}}}});
  const std::string page = to_html(make_report(folder.read()));
  EXPECT_LT(page.find("notice loud"), page.find("<main>"));
  EXPECT_THAT(page, HasSubstr("DRAWN PHOTOS. The only result comes from drawn pictures"));
}

/// A figure of the page, from its opening to its closing tag.
std::string figure(const std::string& page, const std::string& id) {
  const std::size_t from = page.find("<figure id=\"" + id + "\"");
  return from == std::string::npos ? "" : page.substr(from, page.find("</figure>", from) - from);
}

TEST(ReportHtml, EveryFigureHasItsMarks) {
  const std::string page = to_html(varied_report());
  EXPECT_EQ(count_of(figure(page, "figure-2"), "class=\"mark "), 9U + 12U) << "ours and published ones";
  EXPECT_EQ(count_of(figure(page, "figure-2"), "published\" transform"), 12U + 1U) << "and one in the legend";
  // Blocks: 3 + 2 of ours, 6 published; layers: 2 of ours, 4 published.
  EXPECT_EQ(count_of(figure(page, "figure-3"), "class=\"mark "), 11U + 6U);
  EXPECT_EQ(count_of(figure(page, "figure-3"), "<svg id="), 2U);
  EXPECT_EQ(count_of(figure(page, "figure-parameters"), "class=\"mark "), 9U);
  EXPECT_EQ(count_of(figure(page, "figure-predictions"), "class=\"mark "), 9U);
  // Train and validation of nine finished and one half-done experiment.
  EXPECT_EQ(count_of(page, "<svg id=\"accuracy-"), 10U);
  EXPECT_EQ(count_of(page, "<polyline class=\"curve "), 20U + 18U) << "the half-done one has no losses";
}

TEST(ReportHtml, FiguresHaveTitlesAndDescriptions) {
  const std::string page = to_html(varied_report());
  EXPECT_EQ(count_of(page, "<svg id="), count_of(page, "<desc id="));
  EXPECT_THAT(page, HasSubstr("<desc id=\"figure-2-chart-desc\">9 results and 12 published values</desc>"));
  EXPECT_THAT(page, HasSubstr("<title>ResNet50, experiment 3: the last 3 blocks unfrozen\ntest 90.00 %\npublished "
                              "91.00 %, difference −1.00</title>"));
}

TEST(ReportHtml, AGridWithoutPublishedValuesHasNoColumnsForThem) {
  const GridFolder folder(Cells{{}, {.unfreeze = "none"}});
  const std::string page = to_html(make_report(folder.read()));
  EXPECT_THAT(page, Not(HasSubstr("title=\"published\"")));
  EXPECT_EQ(count_of(figure(page, "figure-2"), "class=\"mark "), 2U);
  EXPECT_THAT(page, Not(HasSubstr("figure-predictions")));
}

TEST(ReportHtml, EmptyAndUnfinishedGridsAreStillPages) {
  for (const Cells& cells : {Cells{}, Cells{{.outcome = {}}}, Cells{{}}}) {
    const GridFolder folder(cells);
    const GridReport report = make_report(folder.read());
    const std::string page = to_html(report);
    EXPECT_THAT(page, HasSubstr("</html>"));
    EXPECT_THAT(page, Not(HasSubstr("nan")));
    EXPECT_THAT(page, Not(HasSubstr("inf\"")));
    EXPECT_FALSE(to_csv(report).empty());
    EXPECT_FALSE(to_markdown(report).empty());
  }
}

TEST(Report, IsAPureFunctionOfTheFolder) {
  const GridFolder folder(testing::varied_cells(), testing::varied_facts());
  EXPECT_EQ(to_html(make_report(folder.read())), to_html(make_report(folder.read())));
  EXPECT_EQ(to_json(make_report(folder.read())), to_json(make_report(folder.read())));
}

}  // namespace
}  // namespace thaw::grid
