#include "grid/report_marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "grid/report_text.h"
#include "kernels/text.h"

namespace thaw::grid {

namespace {

std::string title_of(const GridReport& report, RowPlace place) {
  const ReportRow& row = report.row(place);
  std::string text =
      fmt::format("{}, experiment {}: {}", report.models[place.model].name, row.number, unfrozen_text(row));
  for (const auto& [name, value] : row.varied) text += fmt::format("\n{} {}", name, value.empty() ? "unset" : value);
  if (row.test) {
    text += fmt::format("\ntest {} %", spread_text(row.test));
    if (row.test->count > 1) text += fmt::format(" over {} seeds", row.test->count);
  }
  if (row.published && row.published->test_accuracy) {
    text += fmt::format("\npublished {} %", decimals(*row.published->test_accuracy));
    if (row.test) text += fmt::format(", difference {}", signed_text(row.test->mean - *row.published->test_accuracy));
  }
  return text;
}

}  // namespace

std::string colour_of(std::size_t model) { return fmt::format("m{}", model % 5); }

Shape shape_of(Strategy strategy) {
  switch (strategy) {
    case Strategy::frozen: return Shape::square;
    case Strategy::blocks: return Shape::circle;
    case Strategy::layers: return Shape::triangle;
    case Strategy::everything: return Shape::diamond;
    case Strategy::other: break;
  }
  return Shape::cross;
}

void add_marks(std::vector<ChartMark>& marks, const GridReport& report, RowPlace place, double x) {
  const ReportRow& row = report.row(place);
  ChartMark mark{
      .x = x, .y = 0, .shape = shape_of(row.strategy), .classes = {}, .title = title_of(report, place), .spread = {}};
  if (row.published && row.published->test_accuracy) {
    mark.y = *row.published->test_accuracy;
    mark.classes = colour_of(place.model) + " published";
    marks.push_back(mark);
  }
  if (row.test) {
    mark.y = row.test->mean;
    mark.classes = colour_of(place.model) + " ours";
    mark.spread = row.test->sd;
    marks.push_back(mark);
  }
}

std::vector<double> heights_of(const std::vector<ChartMark>& marks) {
  std::vector<double> heights;
  for (const ChartMark& mark : marks) {
    const double spread = mark.spread.value_or(0);
    heights.push_back(std::max(mark.y - spread, 0.0));
    heights.push_back(std::min(mark.y + spread, 100.0));
  }
  return heights;
}

std::string legend_html(const GridReport& report, bool with_shapes, bool with_published) {
  std::string items;
  const auto add = [&items](const std::string& key, const std::string& text) {
    items += fmt::format("<li>{}{}</li>", key, html_escaped(text));
  };
  std::set<Strategy> strategies;
  bool published = false;
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    add(key_svg(Shape::circle, colour_of(i) + " ours"), report.models[i].name);
    for (const ReportRow& row : report.models[i].rows) {
      strategies.insert(row.strategy);
      published = published || (row.published && row.published->test_accuracy);
    }
  }
  if (with_shapes) {
    for (const Strategy strategy : strategies) add(key_svg(shape_of(strategy), "neutral ours"), name_of(strategy));
  }
  if (with_published && published) add(key_svg(Shape::circle, "neutral published"), "published");
  return "<ul class=\"legend\">" + items + "</ul>\n";
}

std::string figure_html(const std::string& id, const std::string& charts, const std::string& legend,
                        const std::string& caption, bool wide) {
  return fmt::format("<figure id=\"{}\">\n<div class=\"{}\"{}>\n{}</div>\n{}<figcaption>{}</figcaption>\n</figure>\n",
                     id, wide ? "scroll wide" : "panels", wide ? " tabindex=\"0\"" : "", charts, legend, caption);
}

}  // namespace thaw::grid
