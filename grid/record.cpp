#include "grid/record.h"

#include <algorithm>
#include <sstream>

#include "grid/json_fields.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "kernels/printable.h"

namespace thaw::grid {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::optional<PublishedRow> published_from(const json& row) {
  const json published = object_in(row, "published");
  if (published.is_null()) return {};
  return PublishedRow{.experiment = count_in(published, "experiment"),
                      .train_accuracy = number_in(published, "train_accuracy"),
                      .val_accuracy = number_in(published, "val_accuracy"),
                      .test_accuracy = number_in(published, "test_accuracy")};
}

std::optional<Prediction> prediction_from(const json& row) {
  const json predicted = object_in(row, "predicted");
  if (predicted.is_null()) return {};
  return Prediction{.seconds = number_in(predicted, "seconds"),
                    .memory_bytes = number_in(predicted, "memory_bytes"),
                    .cache_bytes = number_in(predicted, "cache_bytes")};
}

/// A folder's name must lead to a place below the grid's folder.
std::string folder_from(const json& row) {
  std::string text = text_in(row, "folder");
  const fs::path path(text);
  const bool leaves = path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
  if (text.empty() || leaves || text.find('\0') != std::string::npos) {
    throw json::other_error::create(501, "'folder' must be a path below the grid's folder", &row);
  }
  return text;
}

ExperimentRecord experiment_from(const json& row) {
  require_object(row, "experiments");
  ExperimentRecord out;
  out.index = required(count_in(row, "index"), "index");
  out.id = text_in(row, "id");
  out.name = text_in(row, "name");
  out.folder = folder_from(row);
  out.model = text_in(row, "model");
  out.unfreeze = text_in(row, "unfreeze");
  out.epochs = required(count_in(row, "epochs"), "epochs");
  out.seed = natural_in(row, "seed").value_or(0);
  out.settings = object_in(row, "settings");
  if (out.settings.is_null()) out.settings = json::object();
  out.published = published_from(row);
  out.cut = text_in(row, "cut");
  out.cut_index = count_in(row, "cut_index");
  out.trainable_parameters = whole_in(row, "trainable_parameters");
  out.predicted = prediction_from(row);
  return out;
}

/// What reports read of the table [published]; it came from a TOML file that anybody may have written.
void check_published(const json& published) {
  if (published.is_null()) return;
  text_in(published, "title");
  if (const json gaps = object_in(published, "train_validation_difference"); !gaps.is_null()) {
    for (const auto& [model, value] : gaps.items()) number_in(gaps, model.c_str());
  }
  if (const json ratio = object_in(published, "time_ratio"); !ratio.is_null()) {
    number_in(ratio, "least");
    number_in(ratio, "most");
    if (ratio.at("models").get<std::vector<std::string>>().size() != 2) {
      throw json::other_error::create(501, "'models' of 'time_ratio' must be two", &ratio);
    }
  }
  const json recommended = object_in(published, "recommended");
  for (const char* key : {"blocks", "layers"}) {
    if (recommended.is_null() || !recommended.contains(key)) continue;
    const json& range = recommended[key];
    const bool two_counts =
        range.is_array() && range.size() == 2 && std::all_of(range.begin(), range.end(), [](const json& n) {
          return n.is_number_unsigned() && n.get<std::uint64_t>() < 1'000'000;
        });
    if (!two_counts) throw json::type_error::create(302, fmt::format("'{}' must be two counts", key), &range);
  }
}

GridRecord grid_from(const json& document) {
  require_object(document, "grid.json");
  GridRecord grid;
  grid.thaw = text_in(document, "thaw");
  grid.title = text_in(document, "title");
  grid.file = text_in(document, "file");
  grid.file_sha256 = text_in(document, "file_sha256");
  if (const auto overrides = document.find("overrides"); overrides != document.end() && !overrides->is_null()) {
    overrides->get_to(grid.overrides);
  }
  grid.machine = object_in(document, "machine");
  grid.published = object_in(document, "published");
  check_published(grid.published);
  const json& rows = document.at("experiments");
  if (!rows.is_array()) throw json::type_error::create(302, "'experiments' must be an array", &rows);
  for (const json& row : rows) grid.experiments.push_back(experiment_from(row));
  return grid;
}

void require_share(const json& object, const char* key) {
  const double value = required(number_in(object, key), key);
  if (value < 0 || value > 1) {
    throw json::out_of_range::create(406, fmt::format("'{}' must lie in 0..1, found {}", key, value), &object);
  }
}

void require_square_counts(const json& matrix) {
  if (!matrix.is_array()) throw json::type_error::create(302, "'confusion_matrix' must be an array", &matrix);
  for (const json& row : matrix) {
    const bool counts = row.is_array() && row.size() == matrix.size() &&
                        std::all_of(row.begin(), row.end(), [](const json& n) { return n.is_number_unsigned(); });
    if (!counts) throw json::type_error::create(302, "'confusion_matrix' must be a square of counts", &matrix);
  }
}

/// What reports read of a result without asking again; throws nlohmann's exception where it is of another form.
void check_result(const json& result) {
  require_object(result, "result.json");
  for (const char* key : {"train_accuracy", "val_accuracy", "test_accuracy"}) require_share(result, key);
  number_in(result, "train_eval_accuracy");
  whole_in(result, "trainable_parameters");
  count_in(result, "epochs");
  flag_in(result, "drawn_photos");
  for (const char* key : {"thaw", "weights_source", "weights_sha256", "data_sha256", "dtype"}) text_in(result, key);
  if (const json seconds = object_in(result, "seconds"); !seconds.is_null()) {
    for (const char* key : {"data", "prefix", "train", "evaluate", "total"}) number_in(seconds, key);
  }
  if (const json device = object_in(result, "device"); !device.is_null()) {
    for (const char* key : {"backend", "name"}) text_in(device, key);
    count_in(device, "threads");
  }
  if (result.contains("confusion_matrix")) require_square_counts(result["confusion_matrix"]);
  if (result.contains("class_names")) result["class_names"].get<std::vector<std::string>>();
}

json checked_metrics(const std::string& line) {
  json metrics = json::parse(line);
  require_object(metrics, "a line");
  required(count_in(metrics, "epoch"), "epoch");
  for (const char* key : {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "train_eval_accuracy"}) {
    number_in(metrics, key);
  }
  return metrics;
}

std::string damage(const char* file, const json::exception& error) {
  return fmt::format("{} is damaged ({})", file, reason_of(error));
}

void read_history(const fs::path& file, ExperimentRecord& experiment) {
  if (!fs::exists(file)) return;
  std::istringstream lines(read_file(file));
  try {
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) experiment.history.push_back(checked_metrics(line));
    }
  } catch (const json::exception& error) {
    experiment.complaint = damage("metrics.jsonl", error);
  }
  experiment.epochs_done = static_cast<int>(experiment.history.size());
}

Failure failure_from(const json& document) {
  require_object(document, "failure.json");
  Failure failure{.reason = text_in(document, "reason"),
                  .kind = text_in(document, "kind"),
                  .exit_code = count_in(document, "exit_code").value_or(1)};
  if (failure.reason.empty()) failure.reason = "failure.json gives no reason";
  return failure;
}

/// Reads a file of an experiment with `use`; a damaged one makes a failed experiment.
template <class Use>
void read_or_fail(const fs::path& folder, const char* name, ExperimentRecord& experiment, const Use& use) {
  try {
    use(json::parse(read_file(folder / name)));
  } catch (const json::exception& error) {
    experiment.state = State::failed;
    experiment.failure = Failure{.reason = damage(name, error), .kind = "data", .exit_code = 3};
  } catch (const Error& error) {
    experiment.state = State::failed;
    experiment.failure = Failure{.reason = error.what(), .kind = "data", .exit_code = 3};
  }
}

void read_folder(const fs::path& folder, ExperimentRecord& experiment) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return;
  read_history(folder / "metrics.jsonl", experiment);
  if (fs::exists(folder / "result.json")) {
    experiment.state = State::finished;
    read_or_fail(folder, "result.json", experiment, [&](json document) {
      check_result(document);
      experiment.result = std::move(document);
    });
  } else if (fs::exists(folder / "failure.json")) {
    experiment.state = State::failed;
    read_or_fail(folder, "failure.json", experiment,
                 [&](const json& document) { experiment.failure = failure_from(document); });
  } else if (fs::exists(folder / "settings.json")) {
    experiment.state = State::half_done;
  }
}

}  // namespace

const char* name_of(State state) {
  switch (state) {
    case State::waiting: return "waiting";
    case State::half_done: return "half-done";
    case State::failed: return "failed";
    case State::finished: return "finished";
  }
  return "";
}

GridRecord read_grid(const fs::path& folder) {
  const fs::path file = folder / "grid.json";
  if (!fs::exists(file)) {
    fail(ErrorKind::data, "'{}' holds no grid; start one with `thaw grid run FILE --out {}`", folder.string(),
         folder.string());
  }
  GridRecord grid;
  try {
    grid = grid_from(json::parse(read_file(file)));
  } catch (const json::exception& error) {
    fail(ErrorKind::data, "'{}' is damaged ({}); `thaw grid run` with the grid's file and this --out writes it anew",
         file.string(), reason_of(error));
  }
  for (ExperimentRecord& experiment : grid.experiments) read_folder(folder / experiment.folder, experiment);
  return grid;
}

}  // namespace thaw::grid
