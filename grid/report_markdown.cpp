#include <fmt/format.h>

#include <algorithm>

#include "grid/report.h"
#include "grid/report_text.h"

namespace thaw::grid {

namespace {

/// Text as Markdown shows it: no tables, tags or emphasis of its own, on one line.
std::string plain(const std::string& text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '\n' || letter == '\r') {
      out += ' ';
      continue;
    }
    if (letter == '<') {
      out += "&lt;";
      continue;
    }
    if (std::string_view("\\`*|[]#").find(letter) != std::string_view::npos) out += '\\';
    out += letter;
  }
  return out;
}

using Cells = std::vector<std::string>;

std::string line(const Cells& cells) {
  std::string out = "|";
  for (const std::string& cell : cells) out += fmt::format(" {} |", cell);
  return out + "\n";
}

/// A heading that begins with '>' makes a column of numbers.
std::string head(const Cells& headings) {
  Cells names, rules;
  for (const std::string& heading : headings) {
    const bool number = heading.rfind('>', 0) == 0;
    names.push_back(plain(number ? heading.substr(1) : heading));
    rules.emplace_back(number ? "--:" : "---");
  }
  return line(names) + line(rules);
}

bool has_published(const ModelReport& model) {
  return std::any_of(model.rows.begin(), model.rows.end(),
                     [](const ReportRow& row) { return row.published.has_value(); });
}

void add_accuracy(Cells& cells, const std::optional<Spread>& ours, const std::optional<double>& paper, bool published) {
  cells.push_back(spread_text(ours));
  if (!published) return;
  cells.push_back(paper ? decimals(*paper) : std::string("–"));
  cells.push_back(ours && paper ? signed_text(ours->mean - *paper) : std::string("–"));
}

Cells cells_of(const GridReport& report, const ReportRow& row, bool published) {
  const PublishedRow paper = row.published.value_or(PublishedRow{});
  Cells cells = {
      std::to_string(row.number), plain(row.strategy == Strategy::other ? row.unfreeze : name_of(row.strategy)),
      row.value ? fmt::format("{} = {}", plain(hyperparameter_of(row.strategy)), *row.value) : std::string()};
  for (const std::string& name : report.varied) cells.push_back(plain(row.varied.at(name)));
  cells.push_back(std::to_string(row.epochs));
  add_accuracy(cells, row.train, paper.train_accuracy, published);
  add_accuracy(cells, row.val, paper.val_accuracy, published);
  add_accuracy(cells, row.test, paper.test_accuracy, published);
  cells.push_back(spread_text(row.train_evaluated));
  cells.push_back(row.trainable_parameters ? count_text(*row.trainable_parameters) : std::string("–"));
  cells.push_back(row.seconds ? decimals(row.seconds->mean, 1) : std::string("–"));
  cells.push_back(
      plain(fmt::format("{}{}{}", state_text(row), row.notes.empty() ? "" : ": ", fmt::join(row.notes, "; "))));
  return cells;
}

std::string model_table(const GridReport& report, const ModelReport& model) {
  const bool published = has_published(model);
  Cells headings = {">no.", "strategy", "hyperparameter"};
  headings.insert(headings.end(), report.varied.begin(), report.varied.end());
  headings.emplace_back(">epochs");
  for (const char* part : {"train", "val", "test"}) {
    headings.push_back(fmt::format(">{} %", part));
    if (published) headings.insert(headings.end(), {">published", ">diff."});
  }
  headings.insert(headings.end(), {">train, inference %", ">trainable", ">seconds", "state"});
  std::string out = fmt::format("## {}\n\n", plain(model.name)) + head(headings);
  for (const ReportRow& row : model.rows) out += line(cells_of(report, row, published));
  return out + "\n";
}

std::string confusion(const GridReport& report) {
  if (report.best.empty() || report.row(report.best.front()).confusion.empty()) return "";
  const ReportRow& row = report.row(report.best.front());
  const auto name = [&row](std::size_t i) {
    return i < row.class_names.size() ? row.class_names[i] : fmt::format("class {}", i);
  };
  Cells headings = {"actual \\ predicted"};
  for (std::size_t i = 0; i < row.confusion.size(); ++i) headings.push_back(fmt::format(">{}", name(i)));
  std::string out = fmt::format("## Confusion matrix of the best\n\n{} with {}.\n\n",
                                plain(report.models[report.best.front().model].name), plain(unfrozen_text(row))) +
                    head(headings);
  for (std::size_t i = 0; i < row.confusion.size(); ++i) {
    Cells cells = {plain(name(i))};
    for (const std::int64_t count : row.confusion[i]) cells.push_back(count_text(count));
    out += line(cells);
  }
  return out + "\n";
}

std::string settings(const GridReport& report) {
  std::string out = "## Settings and versions\n\n";
  const auto add = [&out](const std::string& name, const std::string& value) {
    if (!value.empty()) out += fmt::format("* {}: {}\n", plain(name), plain(value));
  };
  add("grid", report.record.file);
  add("grid's sha256", report.record.file_sha256);
  add("overrides", list_text(report.record.overrides));
  if (report.record.machine.is_object()) {
    for (const auto& [name, value] : report.record.machine.items()) add("machine, " + name, value_text(value));
  }
  for (const auto& [name, values] : report.provenance) {
    for (const std::string& value : values) add(name, value);
  }
  for (const auto& [name, value] : report.common) add(name, value);
  for (const ModelReport& model : report.models) {
    for (const auto& [name, value] : model.settings) add(model.name + ", " + name, value);
  }
  return out;
}

}  // namespace

std::string to_markdown(const GridReport& report) {
  std::string out =
      fmt::format("# {}\n\n", plain(report.record.title.empty() ? "Experiment grid" : report.record.title));
  for (const Notice& notice : report.notices) {
    out += notice.loud ? fmt::format("> **{}**\n\n", plain(notice.text)) : fmt::format("> {}\n\n", plain(notice.text));
  }
  for (const Finding& finding : report.findings) out += fmt::format("* {}\n", plain(finding.text));
  out += "\n";
  for (const ModelReport& model : report.models) out += model_table(report, model);
  for (const std::string& remark : report.remarks) out += plain(remark) + "\n";
  if (!report.remarks.empty()) out += "\n";
  return out + confusion(report) + settings(report);
}

}  // namespace thaw::grid
