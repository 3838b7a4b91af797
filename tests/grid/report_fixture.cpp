#include "report_fixture.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

namespace thaw::grid::testing {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

json settings_of(const Cell& cell) {
  json settings = {{"model", cell.model},
                   {"unfreeze", cell.unfreeze},
                   {"epochs", cell.epochs},
                   {"seed", cell.seed},
                   {"lr", 1e-5},
                   {"batch", 32},
                   {"dtype", "f32"},
                   {"bn", "inference"},
                   {"data", "flowers.tgz"},
                   {"weights", "weights.h5"}};
  settings.update(cell.settings);
  return settings;
}

json result_of(const Cell& cell) {
  const Outcome& o = *cell.outcome;
  json result = {
      {"thaw", "0.1.0"},
      {"drawn_photos", false},
      {"model", cell.model},
      {"device", {{"backend", "cpu"}, {"name", "Test Processor"}, {"threads", 2}}},
      {"dtype", "f32"},
      {"weights_source", "weights.h5"},
      {"weights_sha256", std::string(64, 'a')},
      {"data_sha256", std::string(64, 'b')},
      {"class_names", {"daisy", "roses"}},
      {"trainable_parameters", cell.parameters},
      {"epochs", cell.epochs},
      {"train_accuracy", o.train},
      {"train_eval_accuracy", nullptr},
      {"val_accuracy", o.val},
      {"test_accuracy", o.test},
      {"confusion_matrix", {{40, 2}, {5, 53}}},
      {"seconds", {{"data", 1}, {"prefix", 2}, {"train", o.seconds}, {"evaluate", 3}, {"total", o.seconds + 6}}},
      {"peak_memory_bytes", 1 << 28}};
  result.update(cell.result);
  return result;
}

std::string metrics_of(const Cell& cell) {
  std::string lines;
  for (int epoch = 1; epoch <= cell.epochs; ++epoch) {
    const double share = static_cast<double>(epoch) / cell.epochs;
    lines += json{{"epoch", epoch},
                  {"train_loss", 1.5 - share},
                  {"train_accuracy", cell.outcome->train * share},
                  {"val_loss", 1.6 - share},
                  {"val_accuracy", cell.outcome->val * share}}
                 .dump() +
             "\n";
  }
  return lines;
}

}  // namespace

GridFolder::GridFolder(const Cells& cells, const json& facts) {
  std::string pattern = (fs::temp_directory_path() / "thaw-grid-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
  json document = {{"thaw", "0.1.0"},
                   {"title", "A grid"},
                   {"file", "grid.toml"},
                   {"file_sha256", std::string(64, 'c')},
                   {"overrides", json::array()},
                   {"machine", {{"name", "Test Machine"}, {"cores", 2}}},
                   {"published", nullptr},
                   {"experiments", json::array()}};
  document.update(facts);
  for (const Cell& cell : cells) {
    const auto index = static_cast<int>(folders_.size()) + 1;
    folders_.push_back(fmt::format("{}/{}-{:08d}", cell.model, index, index));
    document["experiments"].push_back({{"index", index},
                                       {"id", fmt::format("{:012d}", index)},
                                       {"name", fmt::format("{}/{}", cell.model, cell.unfreeze)},
                                       {"folder", folders_.back()},
                                       {"model", cell.model},
                                       {"unfreeze", cell.unfreeze},
                                       {"epochs", cell.epochs},
                                       {"seed", cell.seed},
                                       {"settings", settings_of(cell)},
                                       {"published", cell.published},
                                       {"cut", "conv5_block1"},
                                       {"cut_index", 14},
                                       {"trainable_parameters", cell.parameters},
                                       {"predicted", cell.predicted}});
    if (!cell.outcome) continue;
    put(index, "settings.json", settings_of(cell).dump());
    put(index, "metrics.jsonl", metrics_of(cell));
    put(index, "result.json", result_of(cell).dump());
  }
  write(path_ / "grid.json", document.dump());
}

GridFolder::~GridFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path GridFolder::experiment(int index) const {
  const fs::path folder = path_ / folders_.at(static_cast<std::size_t>(index - 1));
  fs::create_directories(folder);
  return folder;
}

void GridFolder::put(int index, const std::string& name, const std::string& text) const {
  write(experiment(index) / name, text);
}

json published(int experiment, double train, double val, double test) {
  return {{"experiment", experiment}, {"train_accuracy", train}, {"val_accuracy", val}, {"test_accuracy", test}};
}

Cells varied_cells() {
  struct Row {
    const char* unfreeze;
    double test;
    std::int64_t parameters;
  };
  const Row rows[] = {{"none", 0.80, 10'000},         {"blocks:1", 0.88, 100'000},    {"blocks:3", 0.90, 400'000},
                      {"layer:100", 0.89, 2'000'000}, {"layer:120", 0.87, 1'500'000}, {"blocks:8", 0.84, 1'000'000}};
  Cells cells;
  for (const char* model : {"resnet50", "mobilenet_v3_large"}) {
    const bool large = model == std::string("resnet50");
    for (const Row& row : rows) {
      const int number = static_cast<int>(cells.size()) % 6 + 1;
      Cell cell{.model = model, .unfreeze = row.unfreeze, .parameters = row.parameters};
      cell.outcome = Outcome{.train = row.test + 0.05,
                             .val = row.test + 0.01,
                             .test = row.test + (large ? 0 : 0.03),
                             .seconds = large ? 300.0 : 94.0};
      cell.published = published(number, 95, 90, 100 * row.test + 1);
      cell.predicted = {{"seconds", large ? 306.0 : 80.0}};
      cell.settings = {{"weights", std::string(model) + ".h5"}};
      if (!large && number > 3) cell.outcome = {};
      cells.push_back(cell);
    }
  }
  return cells;
}

json varied_facts() {
  return {{"title", "Two models"},
          {"published",
           {{"title", "A study"},
            {"train_validation_difference", {{"resnet50", 6.56}, {"mobilenet_v3_large", 4.32}}},
            {"time_ratio", {{"models", {"resnet50", "mobilenet_v3_large"}}, {"least", 3}, {"most", 4}}},
            {"recommended", {{"blocks", {2, 5}}, {"layers", {100, 120}}}}}}};
}

void break_varied(const GridFolder& folder) {
  folder.put(10, "settings.json", "{}");
  folder.put(10, "failure.json", R"({"reason":"the loss is NaN in step 7","kind":"failed","exit_code":1})");
  folder.put(11, "settings.json", "{}");
  folder.put(11, "metrics.jsonl", "{\"epoch\":1,\"train_accuracy\":0.5,\"val_accuracy\":0.4}\n");
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace thaw::grid::testing
