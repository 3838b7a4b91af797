#include <fmt/format.h>

#include "grid/json_fields.h"
#include "grid/report.h"
#include "grid/report_figures.h"
#include "grid/report_marks.h"
#include "grid/report_style.h"
#include "grid/report_tables.h"
#include "grid/report_text.h"
#include "grid/svg.h"
#include "kernels/text.h"

namespace thaw::grid {

namespace {

/// A section of the page; one without contents is left out, of the table of contents too.
struct Section {
  std::string id, title, html;
};

std::string paragraph(const std::string& text) { return "<p>" + html_escaped(text) + "</p>\n"; }

std::string notices_html(const GridReport& report) {
  std::string html;
  for (const Notice& notice : report.notices) {
    html += fmt::format("<div class=\"notice{}\" role=\"note\">{}</div>\n", notice.loud ? " loud" : "",
                        html_escaped(notice.text));
  }
  return html;
}

std::string tiles_html(const GridReport& report) {
  std::string html;
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    const ModelReport& model = report.models[i];
    if (!model.best) continue;
    std::vector<std::string> where;
    for (const std::size_t row : model.best->rows) where.push_back(unfrozen_label(model.rows[row]));
    html +=
        fmt::format("<div class=\"tile {}\"><p>{}</p><p class=\"big\">{} %</p><p>best on test photos: {}</p></div>\n",
                    colour_of(i), html_escaped(model.name), spread_text(model.rows[model.best->rows.front()].test),
                    html_escaped(list_text(where)));
  }
  return html.empty() ? html : "<div class=\"tiles\">\n" + html + "</div>\n";
}

/// The heading under which findings stand together.
const char* topic_of(const std::string& about) {
  constexpr std::pair<const char*, const char*> topics[] = {{"progress", "Progress"},
                                                            {"best", "Best"},
                                                            {"noise", "Best"},
                                                            {"strategies", "Best"},
                                                            {"gap", "Overfitting"},
                                                            {"overfitting", "Overfitting"},
                                                            {"agreement", "Published values"},
                                                            {"advice", "The advice"},
                                                            {"time", "Time"},
                                                            {"seconds", "Time"}};
  for (const auto& [key, topic] : topics) {
    if (about == key) return topic;
  }
  return "";
}

std::string findings_html(const GridReport& report) {
  std::string html = "<dl class=\"findings\">\n";
  std::string topic;
  for (const Finding& finding : report.findings) {
    if (topic != topic_of(finding.about)) {
      if (!topic.empty()) html += "</dd>\n";
      topic = topic_of(finding.about);
      html += fmt::format("<dt>{}</dt><dd>\n", topic);
    }
    html += fmt::format("<p data-about=\"{}\">{}</p>\n", finding.about, html_escaped(finding.text));
  }
  return html + (topic.empty() ? "" : "</dd>\n") + "</dl>\n";
}

std::string remarks_html(const GridReport& report) {
  if (report.remarks.empty()) return "";
  std::string html = "<ul class=\"remarks\">\n";
  for (const std::string& remark : report.remarks) html += "<li>" + html_escaped(remark) + "</li>\n";
  return html + "</ul>\n";
}

std::string models_html(const GridReport& report) {
  std::string html;
  for (const ModelReport& model : report.models) {
    html += fmt::format("<h3>{}</h3>\n", html_escaped(model.name)) + table_of_model(report, model);
  }
  return html.empty() ? html : html + remarks_html(report);
}

std::string pair_html(const std::string& first, const std::string& second) {
  if (first.empty() || second.empty()) return first + second;
  return "<div class=\"pair\">\n" + first + second + "</div>\n";
}

std::string curves_html(const GridReport& report) {
  const std::string accuracy = figure_of_curves(report, false);
  const std::string loss = figure_of_curves(report, true);
  return accuracy + (loss.empty() ? "" : "<details><summary>Losses</summary>\n" + loss + "</details>\n");
}

std::string confusion_html(const GridReport& report) {
  const std::string table = table_of_confusion(report);
  if (table.empty()) return "";
  const RowPlace place = report.best.front();
  const ReportRow& row = report.row(place);
  std::string text = fmt::format("{}, experiment {}, with {}: test photos", report.models[place.model].name, row.number,
                                 unfrozen_text(row));
  if (row.test->count > 1) text += fmt::format(", summed over {} seeds", row.test->count);
  if (report.best.size() > 1)
    text += fmt::format("; the first of {} that share the highest test accuracy", report.best.size());
  return paragraph(text + ".") + table;
}

std::vector<Section> sections_of(const GridReport& report) {
  std::vector<Section> sections = {
      {"findings", "What the results say", findings_html(report)},
      {"experiments", "Experiments", models_html(report)},
      {"figures", "Strategies", figure_of_experiments(report) + figure_of_strategies(report)},
      {"best", "Best by strategy", table_of_best(report)},
      {"confusion", "Confusion matrix of the best", confusion_html(report)},
      {"costs", "Parameters and time", pair_html(figure_of_parameters(report), figure_of_predictions(report))},
      {"curves", "Training curves", curves_html(report)},
      {"settings", "Settings and versions", table_of_settings(report)}};
  std::erase_if(sections, [](const Section& section) { return section.html.empty(); });
  return sections;
}

std::string subtitle(const GridReport& report) {
  std::vector<std::string> names;
  for (const ModelReport& model : report.models) names.push_back(model.name);
  std::string text = plural(static_cast<std::int64_t>(report.record.experiments.size()), "experiment");
  if (!names.empty()) text += " with " + list_text(names);
  const std::string paper = report.record.published.is_null() ? "" : text_in(report.record.published, "title");
  if (!paper.empty()) text += ", beside " + paper;
  return text;
}

}  // namespace

std::string to_html(const GridReport& report) {
  const std::string title = report.record.title.empty() ? "Experiment grid" : report.record.title;
  const std::vector<Section> sections = sections_of(report);
  std::string links, body;
  for (const Section& section : sections) {
    links += fmt::format("<a href=\"#{}\">{}</a>\n", section.id, section.title);
    body += fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", section.id, section.title, section.html);
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<header>\n<h1>{0}</h1>\n<p class=\"lead\">{2}</p>\n</header>\n"
      "{3}<nav aria-label=\"Contents\">\n{4}</nav>\n{5}<main>\n{6}</main>\n"
      "<footer>Written by <code>thaw grid report</code> from {7}.</footer>\n</body>\n</html>\n",
      html_escaped(title), kReportStyle, html_escaped(subtitle(report)), notices_html(report), links,
      tiles_html(report), body,
      html_escaped(report.record.file.empty() ? std::string("a grid's folder") : report.record.file));
}

}  // namespace thaw::grid
