#include <fmt/format.h>

#include "app/grid_options.h"
#include "app/options.h"
#include "app/run_lock.h"
#include "grid/report.h"
#include "kernels/files.h"

namespace thaw {

namespace {

using grid::ExperimentRecord;
using grid::State;

struct StatusOptions {
  std::string out;
  bool json = false;
};

double measured_seconds(const ExperimentRecord& e) { return e.result.at("seconds").value("total", 0.0); }

double predicted_seconds(const ExperimentRecord& e) { return e.predicted ? e.predicted->seconds.value_or(0) : 0; }

/// Predictions of what is to come, times what those of the finished experiments were off by.
std::optional<double> seconds_left(const grid::GridRecord& record) {
  double expected = 0, taken = 0, left = 0;
  for (const ExperimentRecord& e : record.experiments) {
    const double predicted = predicted_seconds(e);
    if (predicted <= 0) return std::nullopt;
    if (e.state == State::finished) {
      expected += predicted;
      taken += measured_seconds(e);
    } else {
      left += predicted * std::max(0.0, 1.0 - static_cast<double>(e.epochs_done) / std::max(e.epochs, 1));
    }
  }
  return left * (expected > 0 ? taken / expected : 1.0);
}

std::string accuracy_text(const ExperimentRecord& e, const char* key) {
  return e.state == State::finished ? percent_text(e.result.at(key).get<double>()) : "";
}

std::string remark(const ExperimentRecord& e) {
  if (e.state == State::failed) return e.failure->reason;
  if (e.state == State::half_done) return fmt::format("{} of {} epochs", e.epochs_done, e.epochs);
  return e.complaint;
}

int run_status(const StatusOptions& options, Console& console) {
  GridStatus status = status_of(options.out);
  status.holder = lock_holder(options.out);
  if (options.json) {
    print_json(console.out, to_json(status));
  } else {
    console.out << to_table(status);
  }
  return 0;
}

int run_report(const StatusOptions& options, Console& console) {
  const nlohmann::json report = write_grid_report(options.out);
  if (options.json) {
    print_json(console.out, report);
    return 0;
  }
  const std::filesystem::path folder(options.out);
  console.out << fmt::format("{}  open it in a browser\n{}\n{}\n{}\n", (folder / "report.html").string(),
                             (folder / "report.md").string(), (folder / "report.csv").string(),
                             (folder / "report.json").string());
  return 0;
}

}  // namespace

nlohmann::json write_grid_report(const std::filesystem::path& folder) {
  const grid::GridReport report = grid::make_report(grid::read_grid(folder));
  const nlohmann::json json = grid::to_json(report);
  write_file_atomically(folder / "report.html", grid::to_html(report));
  write_file_atomically(folder / "report.md", grid::to_markdown(report));
  write_file_atomically(folder / "report.csv", grid::to_csv(report));
  write_file_atomically(folder / "report.json", json.dump(2) + "\n");
  return json;
}

GridStatus status_of(const std::filesystem::path& folder) {
  GridStatus status;
  status.record = grid::read_grid(folder);
  for (const ExperimentRecord& e : status.record.experiments) {
    switch (e.state) {
      case State::finished: ++status.finished; break;
      case State::failed: ++status.failed; break;
      case State::half_done: ++status.half_done; break;
      case State::waiting: ++status.waiting; break;
    }
  }
  status.seconds_left = seconds_left(status.record);
  return status;
}

nlohmann::json to_json(const GridStatus& status) {
  nlohmann::json rows = nlohmann::json::array();
  for (const ExperimentRecord& e : status.record.experiments) {
    nlohmann::json row = {{"index", e.index},
                          {"id", e.id},
                          {"name", e.name},
                          {"folder", e.folder},
                          {"state", grid::name_of(e.state)},
                          {"epochs", e.epochs},
                          {"epochs_done", e.epochs_done},
                          {"reason", e.failure ? nlohmann::json(e.failure->reason) : nlohmann::json()}};
    for (const char* key : {"train_accuracy", "val_accuracy", "test_accuracy"}) {
      row[key] = e.state == State::finished ? e.result.at(key) : nlohmann::json();
    }
    row["seconds"] = e.state == State::finished ? nlohmann::json(measured_seconds(e)) : nlohmann::json();
    row["predicted_seconds"] =
        e.predicted && e.predicted->seconds ? nlohmann::json(*e.predicted->seconds) : nlohmann::json();
    rows.push_back(row);
  }
  return {{"title", status.record.title},
          {"finished", status.finished},
          {"failed", status.failed},
          {"half_done", status.half_done},
          {"waiting", status.waiting},
          {"running_process", status.holder ? nlohmann::json(*status.holder) : nlohmann::json()},
          {"seconds_left", status.seconds_left ? nlohmann::json(*status.seconds_left) : nlohmann::json()},
          {"experiments", rows}};
}

std::string to_table(const GridStatus& status) {
  Table table({">no.", "experiment", "state", ">train", ">val", ">test", ">time", "remark"});
  for (const ExperimentRecord& e : status.record.experiments) {
    table.add({std::to_string(e.index), e.name, grid::name_of(e.state), accuracy_text(e, "train_accuracy"),
               accuracy_text(e, "val_accuracy"), accuracy_text(e, "test_accuracy"),
               e.state == State::finished ? seconds_text(measured_seconds(e)) : "", remark(e)});
  }
  std::string text = table.text();
  text += fmt::format("\n{} of {} finished", status.finished, status.record.experiments.size());
  if (status.failed > 0) text += fmt::format(", {} failed", status.failed);
  if (status.half_done > 0) text += fmt::format(", {} half-done", status.half_done);
  if (status.waiting > 0) text += fmt::format(", {} to come", status.waiting);
  if (status.finished < static_cast<int>(status.record.experiments.size()) && status.seconds_left) {
    text += fmt::format("; about {} of work left", seconds_text(*status.seconds_left));
  }
  if (status.holder) text += fmt::format("; process {} is at it", *status.holder);
  return text + "\n";
}

void add_grid_status(CLI::App& grid, Action& action) {
  CLI::App* command =
      add_command(grid, "status", "How far a grid is; may be asked while it runs.", "thaw grid status runs/paper");
  auto options = std::make_shared<StatusOptions>();
  command->add_option("FOLDER", options->out, "the folder that `thaw grid run --out` was given")->required();
  add_json_option(command, options->json);
  set_action(command, options, action, run_status);
}

void add_grid_report(CLI::App& grid, Action& action) {
  CLI::App* command = add_command(grid, "report", "Tables and figures of a grid as HTML, Markdown, CSV and JSON.",
                                  "thaw grid report runs/paper");
  auto options = std::make_shared<StatusOptions>();
  command->add_option("FOLDER", options->out, "the folder that `thaw grid run --out` was given")->required();
  add_json_option(command, options->json);
  set_action(command, options, action, run_report);
}

}  // namespace thaw
