#include "grid/report_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "grid/report_text.h"
#include "grid/svg.h"
#include "kernels/text.h"

namespace thaw::grid {

namespace {

/// Which columns a model's table has.
struct Columns {
  bool published = false, evaluated = false, seeds = false;
  [[nodiscard]] int count(std::size_t varied) const {
    return 7 + (published ? 9 : 3) + (evaluated ? 1 : 0) + (seeds ? 1 : 0) + static_cast<int>(varied);
  }
};

Columns columns_of(const ModelReport& model) {
  Columns columns;
  for (const ReportRow& row : model.rows) {
    columns.published = columns.published || row.published;
    columns.evaluated = columns.evaluated || row.train_evaluated;
    columns.seeds = columns.seeds || row.seeds.size() > 1;
  }
  return columns;
}

std::string number_cell(const std::string& text, const char* classes = "") {
  return fmt::format("<td class=\"n {}\">{}</td>", classes, html_escaped(text));
}
std::string text_cell(const std::string& text) { return fmt::format("<td>{}</td>", html_escaped(text)); }

std::string optional_text(const std::optional<double>& value) { return value ? decimals(*value) : "–"; }

std::string head_of(const GridReport& report, const Columns& columns) {
  const int rows = columns.published ? 2 : 1;
  const auto heading = [rows](const std::string& text, const char* classes) {
    return fmt::format("<th scope=\"col\" rowspan=\"{}\" class=\"{}\">{}</th>", rows, classes, html_escaped(text));
  };
  std::string top =
      heading("No.", "n first") + heading("Strategy", "") + heading("Hyperparameter", "") + heading("Value", "n");
  for (const std::string& name : report.varied) top += heading(name, "");
  top += heading("Epochs", "n");
  if (columns.seeds) top += heading("Seeds", "n");
  std::string below;
  for (const char* name : {"Train", "Validation", "Test"}) {
    if (!columns.published) {
      top += heading(name, "n");
      continue;
    }
    top += fmt::format("<th scope=\"colgroup\" colspan=\"3\" class=\"group\">{}</th>", name);
    below +=
        "<th scope=\"col\" class=\"n start\">ours</th><th scope=\"col\" class=\"n\"><abbr "
        "title=\"published\">publ.</abbr></th>"
        "<th scope=\"col\" class=\"n\">diff.</th>";
  }
  if (columns.evaluated) top += heading("Train, inference", "n");
  top += heading("Trainable parameters", "n") + heading("Time", "n");
  return "<thead><tr>" + top + "</tr>" + (below.empty() ? "" : "<tr>" + below + "</tr>") + "</thead>\n";
}

std::string accuracy_cells(const std::optional<Spread>& ours, const std::optional<double>& paper, bool published,
                           const char* classes) {
  std::string cells = number_cell(spread_text(ours), fmt::format("{}{}", published ? "start " : "", classes).c_str());
  if (!published) return cells;
  cells += number_cell(optional_text(paper), "quiet");
  return cells + number_cell(ours && paper ? signed_text(ours->mean - *paper) : "–", "quiet");
}

bool whole(const ReportRow& row) {
  const auto finished = row.states.find(State::finished);
  return finished != row.states.end() && finished->second == static_cast<int>(row.seeds.size());
}

/// Reasons below the row, over its whole width; nothing where there is nothing to say.
std::string notes_html(const ReportRow& row, int columns) {
  std::vector<std::string> notes;
  if (!whole(row) && row.seeds.size() > 1) notes.push_back(state_text(row));
  notes.insert(notes.end(), row.notes.begin(), row.notes.end());
  if (notes.empty()) return "";
  std::string html;
  const std::string state = row.finished() || row.seeds.size() > 1 ? "" : state_text(row) + ": ";
  for (const std::string& note : notes) html += fmt::format("<p>{}{}</p>", state, html_escaped(note));
  return fmt::format("<tr class=\"why\"><td class=\"first\"></td><td colspan=\"{}\"><div>{}</div></td></tr>\n",
                     columns - 1, html);
}

/// The train accuracy, or in its place how far the row is.
std::string train_cells(const ReportRow& row, bool published) {
  const PublishedRow paper = row.published.value_or(PublishedRow{});
  if (row.finished()) return accuracy_cells(row.train, paper.train_accuracy, published, "");
  const std::string state = row.states.size() == 1 ? name_of(row.states.begin()->first) : "unfinished";
  std::string cells = number_cell(state, published ? "start state" : "state");
  if (published) cells += number_cell(optional_text(paper.train_accuracy), "quiet") + number_cell("–", "quiet");
  return cells;
}

std::string seeds_text(const ReportRow& row) {
  const auto all = row.seeds.size();
  const int done = row.test ? row.test->count : 0;
  return static_cast<std::size_t>(done) == all ? std::to_string(all) : fmt::format("{} of {}", done, all);
}

std::string row_html(const GridReport& report, const ReportRow& row, const Columns& columns, bool best) {
  const PublishedRow paper = row.published.value_or(PublishedRow{});
  std::string cells =
      fmt::format("<th scope=\"row\" class=\"n first\" title=\"{}\">{}</th>", html_escaped(row.name), row.number);
  cells += text_cell(row.strategy == Strategy::other ? row.unfreeze : name_of(row.strategy));
  cells += fmt::format("<td class=\"code\">{}</td>", hyperparameter_of(row.strategy));
  cells += number_cell(row.value ? std::to_string(*row.value) : std::string());
  for (const std::string& name : report.varied) cells += text_cell(row.varied.at(name));
  cells += number_cell(std::to_string(row.epochs));
  if (columns.seeds) cells += number_cell(seeds_text(row));
  cells += train_cells(row, columns.published);
  cells += accuracy_cells(row.val, paper.val_accuracy, columns.published, "");
  cells += accuracy_cells(row.test, paper.test_accuracy, columns.published, "test");
  if (columns.evaluated) cells += number_cell(spread_text(row.train_evaluated));
  cells += number_cell(row.trainable_parameters ? count_text(*row.trainable_parameters) : std::string("–"));
  cells += number_cell(row.seconds ? seconds_text(row.seconds->mean) : std::string("–"));
  return fmt::format("<tr{}>{}</tr>\n", best ? " class=\"best\"" : (row.finished() ? "" : " class=\"open\""), cells) +
         notes_html(row, columns.count(report.varied.size()));
}

bool holds(const std::optional<Best>& best, std::size_t row) {
  return best && std::find(best->rows.begin(), best->rows.end(), row) != best->rows.end();
}

}  // namespace

std::string boxed_table(const std::string& label, const std::string& classes, const std::string& contents) {
  return fmt::format(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n<table class=\"{}\">\n{}"
      "</table>\n</div>\n",
      html_escaped(label), classes, contents);
}

std::string table_of_model(const GridReport& report, const ModelReport& model) {
  const Columns columns = columns_of(model);
  std::string html = head_of(report, columns) + "<tbody>\n";
  for (std::size_t i = 0; i < model.rows.size(); ++i) {
    html += row_html(report, model.rows[i], columns, holds(model.best, i));
  }
  return boxed_table("Experiments of " + model.name, "experiments", html + "</tbody>\n");
}

std::string table_of_best(const GridReport& report) {
  std::string body;
  for (const ModelReport& model : report.models) {
    bool first = true;
    for (const auto& [strategy, best] : model.best_by_strategy) {
      std::vector<std::string> where, numbers;
      for (const std::size_t row : best.rows) {
        where.push_back(unfrozen_label(model.rows[row]));
        for (const auto& [name, value] : model.rows[row].varied) where.back() += ", " + value;
        numbers.push_back(std::to_string(model.rows[row].number));
      }
      const bool highest = model.best && best.test >= model.best->test - 1e-9;
      body += fmt::format("<tr{}>{}", highest ? " class=\"best\"" : "",
                          first ? fmt::format("<th scope=\"rowgroup\" rowspan=\"{}\">{}</th>",
                                              model.best_by_strategy.size(), html_escaped(model.name))
                                : std::string());
      body += text_cell(name_of(strategy)) + text_cell(list_text(where)) + number_cell(list_text(numbers)) +
              number_cell(decimals(best.test), "test") + "</tr>\n";
      first = false;
    }
  }
  if (body.empty()) return "";
  return boxed_table(
      "Best by strategy", "plain",
      "<thead><tr><th scope=\"col\">Model</th><th scope=\"col\">Strategy</th><th scope=\"col\">Best</th>"
      "<th scope=\"col\" class=\"n\">No.</th><th scope=\"col\" class=\"n\">Test, %</th></tr></thead>\n<tbody>\n" +
          body + "</tbody>\n");
}

std::string table_of_confusion(const GridReport& report) {
  if (report.best.empty() || report.row(report.best.front()).confusion.empty()) return "";
  const ReportRow& row = report.row(report.best.front());
  const auto name = [&row](std::size_t i) {
    return html_escaped(i < row.class_names.size() ? row.class_names[i] : fmt::format("class {}", i));
  };
  std::string head = "<th scope=\"col\">actual \\ predicted</th>";
  std::string body;
  for (std::size_t i = 0; i < row.confusion.size(); ++i) {
    head += fmt::format("<th scope=\"col\" class=\"n\">{}</th>", name(i));
    std::int64_t all = 0;
    for (const std::int64_t count : row.confusion[i]) all += count;
    body += fmt::format("<tr><th scope=\"row\">{}</th>", name(i));
    for (std::size_t j = 0; j < row.confusion[i].size(); ++j) {
      const double share = all > 0 ? static_cast<double>(row.confusion[i][j]) / static_cast<double>(all) : 0;
      body += fmt::format("<td class=\"n cell {}\" style=\"--share:{:.3f}\">{}</td>", i == j ? "right" : "wrong", share,
                          count_text(row.confusion[i][j]));
    }
    body +=
        number_cell(all > 0 ? decimals(100.0 * static_cast<double>(row.confusion[i][i]) / static_cast<double>(all), 1)
                            : std::string("–"),
                    "start") +
        "</tr>\n";
  }
  head += "<th scope=\"col\" class=\"n start\">recall, %</th>";
  return boxed_table("Confusion matrix", "plain confusion",
                     "<thead><tr>" + head + "</tr></thead>\n<tbody>\n" + body + "</tbody>\n");
}

std::string table_of_settings(const GridReport& report) {
  std::string body;
  const auto add = [&body](const std::string& name, const std::string& value) {
    if (value.empty()) return;
    body += fmt::format("<tr><th scope=\"row\">{}</th><td class=\"value\">{}</td></tr>\n", html_escaped(name),
                        html_escaped(value));
  };
  const auto group = [&body](const std::string& title) {
    body += fmt::format("<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"2\">{}</th></tr>\n", html_escaped(title));
  };
  const GridRecord& record = report.record;
  group("Grid");
  add("file", record.file);
  add("sha256", record.file_sha256);
  add("overrides", list_text(record.overrides));
  add("written by thaw", record.thaw);
  if (record.machine.is_object() && !record.machine.empty()) {
    group("Machine");
    for (const auto& [name, value] : record.machine.items()) add(name, value_text(value));
  }
  if (!report.provenance.empty()) group("Results");
  for (const auto& [name, values] : report.provenance) {
    for (const std::string& value : values) add(name, value);
  }
  if (!report.common.empty()) group("Settings of all experiments");
  for (const auto& [name, value] : report.common) add(name, value);
  for (const ModelReport& model : report.models) {
    if (!model.settings.empty()) group("Settings of " + model.name);
    for (const auto& [name, value] : model.settings) add(name, value);
  }
  return boxed_table("Settings and versions", "settings", "<tbody>\n" + body + "</tbody>\n");
}

}  // namespace thaw::grid
