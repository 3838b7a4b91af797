#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "grid/record.h"

namespace thaw::grid::testing {

/// Accuracies of a finished experiment as fractions.
struct Outcome {
  double train = 0.9, val = 0.85, test = 0.86;
  double seconds = 60;
};

/// One experiment of a grid that a test makes up.
struct Cell {
  std::string model = "resnet50";
  std::string unfreeze = "blocks:3";
  int epochs = 2;
  int seed = 0;
  std::optional<Outcome> outcome = Outcome{};
  std::int64_t parameters = 1'000'000;
  nlohmann::json published = nullptr;  ///< as in grid.json
  nlohmann::json predicted = nullptr;
  nlohmann::json settings = nlohmann::json::object();  ///< beside model, unfreeze, epochs, seed
  nlohmann::json result = nlohmann::json::object();    ///< laid over the result that the outcome gives
};

using Cells = std::vector<Cell>;

/// A grid's folder in a temporary place, which goes away with the test.
class GridFolder {
 public:
  explicit GridFolder(const Cells& cells, const nlohmann::json& facts = nlohmann::json::object());
  ~GridFolder();
  GridFolder(const GridFolder&) = delete;
  GridFolder& operator=(const GridFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// The folder of the n-th experiment, from 1; made where it is not there.
  [[nodiscard]] std::filesystem::path experiment(int index) const;
  void put(int index, const std::string& name, const std::string& text) const;
  [[nodiscard]] GridRecord read() const { return read_grid(path_); }

 private:
  std::filesystem::path path_;
  std::vector<std::string> folders_;
};

/// The rows of the paper that tests lean on: {"experiment": .., "train_accuracy": .., ...}.
nlohmann::json published(int experiment, double train, double val, double test);

/// Two models, each frozen, with 1 and 3 blocks, from layers 100 and 120 and with 8 blocks; with published values and
/// predictions. Of the second model experiment 4 has failed, 5 is half done and 6 is waiting: 9 of 12 are finished.
Cells varied_cells();
nlohmann::json varied_facts();
/// Writes what makes those two unfinished.
void break_varied(const GridFolder& folder);

/// How often `part` is in `text`.
std::size_t count_of(const std::string& text, const std::string& part);

}  // namespace thaw::grid::testing
