#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "grid/report.h"
#include "grid/svg.h"
#include "kernels/text.h"
#include "report_fixture.h"

namespace thaw::grid {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Cells;
using testing::GridFolder;

std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), count);
  ::pclose(pipe);
  return text;
}

/// The page in a frame of each width (a window cannot be as narrow as a phone), and what a browser measures in them.
std::string measuring_page(const std::string& page) {
  std::string html = "<!DOCTYPE html><meta charset=\"utf-8\"><body>";
  for (const int width : {390, 1024, 1920}) {
    html += fmt::format("<iframe style=\"width:{}px;height:900px;border:0\" srcdoc=\"{}\"></iframe>", width,
                        html_escaped(page));
  }
  return html + R"(<pre id="measured"></pre><script>
    const measure = frame => {
      const page = frame.contentDocument, view = frame.contentWindow, marks = {};
      for (const figure of page.querySelectorAll('figure, .curves')) {
        marks[figure.id] = [...figure.querySelectorAll('.mark')].filter(mark => {
          const box = mark.getBoundingClientRect(), chart = mark.closest('svg').getBoundingClientRect();
          return box.width > 1 && box.height > 1 && box.left >= chart.left - 1 && box.right <= chart.right + 1 &&
                 box.top >= chart.top - 1 && box.bottom <= chart.bottom + 1;
        }).length;
      }
      const outside = [...page.querySelectorAll('body *')].filter(
          e => !e.closest('.scroll, svg') && e.getBoundingClientRect().right > view.innerWidth + 1);
      return {width: view.innerWidth, needed: page.scrollingElement.scrollWidth, marks,
              outside: outside.map(e => e.tagName + '.' + e.className)};
    };
    onload = () => {
      const frames = [...document.querySelectorAll('iframe')];
      for (const frame of frames) for (const d of frame.contentDocument.querySelectorAll('details')) d.open = true;
      document.getElementById('measured').textContent = JSON.stringify(frames.map(measure));
    };</script>)";
}

/// What headless Chromium measures, a JSON object a width; null where it gave no answer.
json measured(const GridFolder& folder, const std::string& page) {
  const fs::path file = folder.path() / "measure.html";
  std::ofstream(file) << measuring_page(page);
  const std::string dom = output_of(fmt::format(
      "timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --window-size=2000,1200 "
      "--user-data-dir='{}' --virtual-time-budget=20000 --dump-dom 'file://{}' 2>/dev/null",
      (folder.path() / "profile").string(), file.string()));
  const std::string start = "<pre id=\"measured\">";
  const std::size_t from = dom.find(start);
  if (from == std::string::npos) return nullptr;
  const std::size_t begin = from + start.size();
  return json::parse(dom.substr(begin, dom.find("</pre>", begin) - begin), nullptr, false);
}

class ReportInABrowser : public ::testing::Test {
 protected:
  void SetUp() override {
    if (output_of("command -v chromium").empty()) {
      GTEST_SKIP() << "no chromium on PATH; scripts/setup --with-browser installs it";
    }
  }
};

TEST_F(ReportInABrowser, NothingOverflowsAndEveryFigureShowsItsMarks) {
  const GridFolder folder(testing::varied_cells(), testing::varied_facts());
  testing::break_varied(folder);
  const json widths = measured(folder, to_html(make_report(folder.read())));
  ASSERT_EQ(widths.size(), 3U) << widths.dump();
  for (const json& at : widths) {
    EXPECT_LE(at.at("needed"), at.at("width"));
    EXPECT_EQ(at.at("outside"), json::array()) << "at " << at.at("width");
    EXPECT_EQ(at.at("marks"), (json{{"figure-2", 21},
                                    {"figure-3", 17},
                                    {"figure-parameters", 9},
                                    {"figure-predictions", 9},
                                    {"figure-curves-accuracy", 20},
                                    {"figure-curves-loss", 18}}))
        << "at " << at.at("width");
  }
  EXPECT_EQ(widths.at(0).at("width"), 390);
}

TEST_F(ReportInABrowser, LongNamesAndReasonsDoNotOverflow) {
  const std::string name(300, 'x');
  testing::Cell failed{.model = "resnet50", .unfreeze = "glob:" + name, .outcome = {}};
  testing::Cell finished{.model = "resnet50", .unfreeze = "glob:" + name + "2", .settings = {{"bn", name}}};
  finished.result = {{"class_names", {name, name + "2"}}, {"weights_source", name}};
  const GridFolder folder(Cells{failed, finished}, {{"title", name}, {"file", name}});
  folder.put(1, "failure.json", json{{"reason", name}}.dump());
  const json widths = measured(folder, to_html(make_report(folder.read())));
  ASSERT_EQ(widths.size(), 3U) << widths.dump();
  for (const json& at : widths) {
    EXPECT_LE(at.at("needed"), at.at("width"));
    EXPECT_EQ(at.at("outside"), json::array()) << "at " << at.at("width");
  }
}

}  // namespace
}  // namespace thaw::grid
