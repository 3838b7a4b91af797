#include "app/result.h"

#include <sys/resource.h>

#include "app/options.h"
#include "app/terminal.h"
#include "app/whole_number.h"
#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {
namespace fs = std::filesystem;

RunFolder RunFolder::create(const fs::path& path) {
  RunFolder folder(path);
  if (fs::exists(path) && !fs::is_directory(path)) {
    fail(ErrorKind::failed, "cannot write the run to '{}': it is a file; choose another --out", path.string());
  }
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    fail(ErrorKind::failed, "cannot make the folder '{}': {}; choose another --out", path.string(), error.message());
  }
  folder.take();
  if (folder.has(kSettings) || folder.has(kCheckpoint) || folder.has(kResult)) {
    const char* state = folder.has(kResult) ? "a finished run" : "a run that was begun";
    fail(ErrorKind::usage, "'{}' already holds {}; go on with `thaw train --resume {}` or choose another --out",
         path.string(), state, path.string());
  }
  // Known before hours of training, not behind them.
  const fs::path probe = path / ".probe";
  write_file_atomically(probe, "");
  fs::remove(probe, error);
  return folder;
}

RunFolder RunFolder::open(const fs::path& path) {
  RunFolder folder(path);
  if (!folder.has(kSettings)) {
    fail(ErrorKind::data, "'{}' holds no run: there is no {} in it; start one with `thaw train --out {}`",
         path.string(), kSettings, path.string());
  }
  folder.take();
  return folder;
}

void RunFolder::take() {
  lock_ = std::make_shared<RunLock>(path_);
  remove_abandoned_files(path_);
}

void RunFolder::write_json(const char* name, const nlohmann::json& json) const {
  write_file_atomically(file(name), json.dump(2) + "\n");
}

nlohmann::json RunFolder::read_json(const char* name) const {
  try {
    return nlohmann::json::parse(read_file(file(name)));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::data, "'{}' is damaged ({}); start the run again", file(name).string(), reason_of(error));
  }
}

void RunFolder::write_metrics(const std::vector<EpochMetrics>& history) const {
  std::string lines;
  for (const EpochMetrics& metrics : history) lines += to_json(metrics).dump() + "\n";
  write_file_atomically(file(kMetrics), lines);
}

nlohmann::json to_json(const EpochMetrics& metrics) {
  nlohmann::json json = {{"epoch", metrics.epoch},
                         {"train_loss", metrics.train_loss},
                         {"train_accuracy", metrics.train_accuracy},
                         {"val_loss", metrics.validation.loss},
                         {"val_accuracy", metrics.validation.accuracy},
                         {"lr", metrics.learning_rate},
                         {"train_seconds", metrics.train_seconds},
                         {"eval_seconds", metrics.eval_seconds},
                         {"images_per_second", metrics.images_per_second}};
  if (metrics.train_eval) {
    json["train_eval_loss"] = metrics.train_eval->loss;
    json["train_eval_accuracy"] = metrics.train_eval->accuracy;
  }
  return json;
}

EpochMetrics epoch_metrics_from(const nlohmann::json& json) {
  EpochMetrics metrics;
  metrics.epoch = whole_number<int>(json.at("epoch"));
  json.at("train_loss").get_to(metrics.train_loss);
  json.at("train_accuracy").get_to(metrics.train_accuracy);
  json.at("val_loss").get_to(metrics.validation.loss);
  json.at("val_accuracy").get_to(metrics.validation.accuracy);
  json.at("lr").get_to(metrics.learning_rate);
  json.at("train_seconds").get_to(metrics.train_seconds);
  json.at("eval_seconds").get_to(metrics.eval_seconds);
  json.at("images_per_second").get_to(metrics.images_per_second);
  if (json.contains("train_eval_loss")) {
    metrics.train_eval = Evaluation{.loss = json.at("train_eval_loss").get<double>(),
                                    .accuracy = json.at("train_eval_accuracy").get<double>()};
  }
  return metrics;
}

nlohmann::json to_json(const Timing& timing) {
  return {{"data", timing.data},
          {"prefix", timing.prefix},
          {"train", timing.train},
          {"evaluate", timing.evaluate},
          {"total", timing.total()}};
}

Timing timing_from(const nlohmann::json& json) {
  return {.data = json.at("data").get<double>(),
          .prefix = json.at("prefix").get<double>(),
          .train = json.at("train").get<double>(),
          .evaluate = json.at("evaluate").get<double>()};
}

ConfusionMatrix confusion_matrix(const std::vector<int>& labels, const std::vector<int>& predictions, int classes) {
  const auto n = static_cast<std::size_t>(classes);
  ConfusionMatrix matrix(n, std::vector<int>(n, 0));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ++matrix[static_cast<std::size_t>(labels[i])][static_cast<std::size_t>(predictions[i])];
  }
  return matrix;
}

std::string confusion_table(const ConfusionMatrix& matrix, const std::vector<std::string>& class_names) {
  std::vector<std::string> headings = {"actual \\ predicted"};
  for (const std::string& name : class_names) headings.push_back(">" + name);
  headings.emplace_back(">recall");
  Table table(headings);
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    std::vector<std::string> cells = {class_names[i]};
    int all = 0;
    for (const int count : matrix[i]) {
      cells.push_back(std::to_string(count));
      all += count;
    }
    cells.push_back(all == 0 ? "-" : percent_text(static_cast<double>(matrix[i][i]) / all));
    table.add(cells);
  }
  return table.text();
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts KiB
}

}  // namespace thaw
