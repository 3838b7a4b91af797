#include "grid/report_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grid/report_marks.h"
#include "grid/report_text.h"

namespace thaw::grid {

namespace {

template <class Use>
void for_each_row(const GridReport& report, const Use& use) {
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    for (std::size_t j = 0; j < report.models[i].rows.size(); ++j) use(RowPlace{.model = i, .row = j});
  }
}

std::vector<double> places_of(const std::vector<ChartMark>& marks) {
  std::vector<double> places;
  places.reserve(marks.size());
  for (const ChartMark& mark : marks) places.push_back(mark.x);
  return places;
}

/// "12 results and 15 published values".
std::string contents_text(const std::vector<ChartMark>& marks) {
  const auto published = std::count_if(marks.begin(), marks.end(), [](const ChartMark& mark) {
    return mark.classes.find("published") != std::string::npos;
  });
  const std::string ours = plural(static_cast<std::int64_t>(marks.size()) - published, "result");
  return published == 0 ? ours : ours + " and " + plural(published, "published value");
}

/// The strategy's rows by their value, with a line through ours and a broken one through the published values.
void add_strategy_lines(Chart& chart, const std::vector<ChartMark>& marks, const std::string& colour) {
  for (const char* kind : {" ours", " published"}) {
    ChartLine line{.points = {}, .classes = "line " + colour + kind};
    for (const ChartMark& mark : marks) {
      if (mark.classes == colour + kind) line.points.emplace_back(mark.x, mark.y);
    }
    std::sort(line.points.begin(), line.points.end());
    if (line.points.size() > 1) chart.lines.push_back(line);
  }
}

Chart strategy_chart(const GridReport& report, Strategy strategy) {
  const bool blocks = strategy == Strategy::blocks;
  Chart chart{.id = blocks ? "figure-3-blocks" : "figure-3-layers"};
  std::vector<std::pair<double, std::size_t>> frozen;
  for_each_row(report, [&](RowPlace place) {
    const ReportRow& row = report.row(place);
    if (row.strategy == strategy) add_marks(chart.marks, report, place, *row.value);
    if (row.strategy == Strategy::frozen && row.test) frozen.emplace_back(row.test->mean, place.model);
  });
  if (chart.marks.empty()) return chart;
  std::vector<double> heights = heights_of(chart.marks);
  for (const auto& [height, model] : frozen) heights.push_back(height);
  chart.x = whole_axis(blocks ? "unfrozen blocks" : "first unfrozen layer", places_of(chart.marks), 10);
  chart.y = percent_axis("test accuracy, %", heights);
  for (const auto& [height, model] : frozen) {
    chart.lines.push_back(
        {.points = {{chart.x.low, height}, {chart.x.high, height}}, .classes = "rule " + colour_of(model)});
  }
  // Where other settings vary too, several rows share an x, and a line through them would say nothing.
  for (std::size_t i = 0; report.varied.empty() && i < std::min<std::size_t>(report.models.size(), 5); ++i) {
    add_strategy_lines(chart, chart.marks, colour_of(i));
  }
  chart.title = blocks ? "Test accuracy by unfrozen blocks" : "Test accuracy by first unfrozen layer";
  chart.text = contents_text(chart.marks);
  return chart;
}

}  // namespace

std::string figure_of_experiments(const GridReport& report) {
  Chart chart{.id = "figure-2-chart", .title = "Test accuracy by experiment", .width = 860, .height = 380};
  const auto models = static_cast<double>(report.models.size());
  for_each_row(report, [&](RowPlace place) {  // models side by side, so that equal values do not hide each other
    const double aside = (static_cast<double>(place.model) - (models - 1) / 2) * std::min(0.24, 0.6 / models);
    add_marks(chart.marks, report, place, report.row(place).number + aside);
  });
  if (chart.marks.empty()) return "";
  chart.x = whole_axis("experiment", places_of(chart.marks), 32);
  chart.y = percent_axis("test accuracy, %", heights_of(chart.marks), 7);
  chart.text = contents_text(chart.marks);
  return figure_html("figure-2", to_svg(chart), legend_html(report, true, true),
                     "<b>Figure 2.</b> Test accuracy against the number of the experiment.", true);
}

std::string figure_of_strategies(const GridReport& report) {
  std::string charts;
  bool frozen = false;
  for (const Strategy strategy : {Strategy::blocks, Strategy::layers}) {
    const Chart chart = strategy_chart(report, strategy);
    if (chart.marks.empty()) continue;
    charts += to_svg(chart);
    frozen = frozen || std::any_of(chart.lines.begin(), chart.lines.end(),
                                   [](const ChartLine& line) { return line.classes.rfind("rule", 0) == 0; });
  }
  if (charts.empty()) return "";
  return figure_html("figure-3", charts, legend_html(report, false, true),
                     std::string("<b>Figure 3.</b> Test accuracy across the block and layer strategies.") +
                         (frozen ? " Dotted: the frozen base." : ""),
                     false);
}

std::string figure_of_parameters(const GridReport& report) {
  Chart chart{.id = "figure-parameters-chart", .title = "Test accuracy by trainable parameters"};
  for_each_row(report, [&](RowPlace place) {
    const ReportRow& row = report.row(place);
    if (row.finished() && row.trainable_parameters.value_or(0) > 0) {
      add_marks(chart.marks, report, place, static_cast<double>(*row.trainable_parameters));
    }
  });
  std::erase_if(chart.marks, [](const ChartMark& m) { return m.classes.find("published") != std::string::npos; });
  if (chart.marks.empty()) return "";
  chart.x = log_axis("trainable parameters", places_of(chart.marks));
  chart.y = percent_axis("test accuracy, %", heights_of(chart.marks));
  chart.text = contents_text(chart.marks);
  return figure_html("figure-parameters", to_svg(chart), legend_html(report, true, false),
                     "Trainable parameters, head included, against test accuracy.", false);
}

std::string figure_of_predictions(const GridReport& report) {
  Chart chart{.id = "figure-predictions-chart", .title = "Measured against predicted seconds"};
  std::vector<double> all;
  for_each_row(report, [&](RowPlace place) {
    const ReportRow& row = report.row(place);
    if (!row.seconds || row.seconds->mean <= 0 || row.predicted_seconds.value_or(0) <= 0) return;
    all.push_back(*row.predicted_seconds);
    all.push_back(row.seconds->mean);
    chart.marks.push_back({.x = *row.predicted_seconds,
                           .y = row.seconds->mean,
                           .shape = shape_of(row.strategy),
                           .classes = colour_of(place.model) + " ours",
                           .title = fmt::format("{}, experiment {}: {}\npredicted {}, measured {}",
                                                report.models[place.model].name, row.number, unfrozen_text(row),
                                                seconds_text(*row.predicted_seconds), seconds_text(row.seconds->mean)),
                           .spread = {}});
  });
  if (chart.marks.empty()) return "";
  chart.x = log_axis("predicted seconds", all);
  chart.y = log_axis("measured seconds", all);
  chart.lines.push_back({.points = {{chart.x.low, chart.y.low}, {chart.x.high, chart.y.high}}, .classes = "rule"});
  chart.text = contents_text(chart.marks);
  return figure_html("figure-predictions", to_svg(chart), legend_html(report, true, false),
                     "Predicted against measured seconds of an experiment; dotted where they are equal.", false);
}

}  // namespace thaw::grid
