#include <fmt/format.h>

#include <algorithm>

#include "grid/report_figures.h"
#include "grid/report_marks.h"
#include "grid/report_text.h"
#include "kernels/text.h"

namespace thaw::grid {

namespace {

using Member = std::optional<double> CurvePoint::*;

struct Kind {
  Member train, val;
  const char* unit;
  const char* what;
};

constexpr Kind kAccuracy = {&CurvePoint::train, &CurvePoint::val, " %", "accuracy"};
constexpr Kind kLoss = {&CurvePoint::train_loss, &CurvePoint::val_loss, "", "loss"};

/// The range of all curves, so that the small pictures can be compared.
struct Extent {
  std::vector<double> epochs, values;
};

void extend(Extent& extent, const ReportRow& row, const Kind& kind) {
  for (const Curve& curve : row.curves) {
    for (const CurvePoint& point : curve.points) {
      extent.epochs.push_back(point.epoch);
      for (const Member member : {kind.train, kind.val}) {
        if (point.*member) extent.values.push_back(*(point.*member));
      }
    }
  }
}

void add_curve(Chart& chart, const Curve& curve, const Kind& kind, const std::string& colour) {
  for (const auto& [member, name] : {std::pair(kind.train, "train"), std::pair(kind.val, "val")}) {
    ChartLine line{.points = {}, .classes = fmt::format("curve {} {}", name, colour)};
    for (const CurvePoint& point : curve.points) {
      if (point.*member) line.points.emplace_back(point.epoch, *(point.*member));
    }
    if (line.points.empty()) continue;
    chart.marks.push_back({.x = line.points.back().first,
                           .y = line.points.back().second,
                           .shape = Shape::circle,
                           .classes = fmt::format("{} {}", colour, member == kind.train ? "published" : "ours"),
                           .title = fmt::format("seed {}, epoch {:.0f}: {} {} {}{}", curve.seed,
                                                line.points.back().first, member == kind.train ? "train" : "validation",
                                                kind.what, decimals(line.points.back().second), kind.unit),
                           .spread = {}});
    chart.lines.push_back(std::move(line));
  }
}

Chart frame_of(const Extent& extent, const Kind& kind) {
  Chart chart{.id = {}, .width = 250, .height = 150, .radius = 3.5};
  chart.x = whole_axis("", extent.epochs, 6);
  chart.y = kind.train == kAccuracy.train ? percent_axis("", extent.values, 5) : linear_axis("", extent.values, 5);
  return chart;
}

std::string small_picture(const GridReport& report, RowPlace place, Chart chart, const Kind& kind) {
  const ReportRow& row = report.row(place);
  for (const Curve& curve : row.curves) add_curve(chart, curve, kind, colour_of(place.model));
  chart.id = fmt::format("{}-{}-{}", kind.what, place.model, place.row);
  chart.title = fmt::format("{}, experiment {}: {} by epoch", report.models[place.model].name, row.number, kind.what);
  chart.text =
      fmt::format("{} with {}", plural(static_cast<std::int64_t>(row.curves.size()), "run"), unfrozen_text(row));
  std::string label = fmt::format("<b>{}</b> {}", row.number, html_escaped(unfrozen_label(row)));
  for (const auto& [name, value] : row.varied) label += ", " + html_escaped(value);
  if (!row.finished()) label += fmt::format(" <i>{}</i>", html_escaped(state_text(row)));
  return fmt::format("<div class=\"small\"><p>{}</p>{}</div>\n", label, to_svg(chart));
}

}  // namespace

std::string figure_of_curves(const GridReport& report, bool losses) {
  const Kind& kind = losses ? kLoss : kAccuracy;
  Extent extent;
  for (const ModelReport& model : report.models) {
    for (const ReportRow& row : model.rows) extend(extent, row, kind);
  }
  if (extent.values.empty()) return "";
  const Chart frame = frame_of(extent, kind);
  std::string html;
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    std::string pictures;
    for (std::size_t j = 0; j < report.models[i].rows.size(); ++j) {
      if (!report.models[i].rows[j].curves.empty())
        pictures += small_picture(report, {.model = i, .row = j}, frame, kind);
    }
    if (pictures.empty()) continue;
    html += fmt::format("<h3>{}</h3>\n<div class=\"multiples\">\n{}</div>\n", html_escaped(report.models[i].name),
                        pictures);
  }
  const std::string legend = fmt::format("<ul class=\"legend\"><li>{}train</li><li>{}validation</li></ul>\n",
                                         key_line_svg("curve train neutral"), key_line_svg("curve val neutral"));
  return fmt::format("<div class=\"curves\" id=\"figure-curves-{}\">\n{}{}</div>\n", kind.what, legend, html);
}

}  // namespace thaw::grid
