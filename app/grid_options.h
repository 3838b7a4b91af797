#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "grid/grid_file.h"
#include "grid/record.h"

namespace thaw {

/// What names experiments of a grid's file.
struct GridChoice {
  std::string file;
  std::vector<std::string> overrides;  ///< texts of --set
  std::string match;                   ///< a regular expression on names
};

void add_grid_choice(CLI::App* command, GridChoice& choice);
/// Reads the file. Throws `Error` (usage) as `parse_grid`, (data) where it cannot be read.
grid::GridFile read_grid_file(const GridChoice& choice);
/// Those whose names match. Throws `Error` (usage) for a broken expression, and where none does.
std::vector<grid::Experiment> matching(const grid::GridFile& grid, const std::string& match);

/// How far a grid is, as `status` tells it.
struct GridStatus {
  grid::GridRecord record;
  int finished = 0, failed = 0, half_done = 0, waiting = 0;
  std::optional<int> holder;           ///< the process that runs it now
  std::optional<double> seconds_left;  ///< from predictions, corrected by what was measured
};
GridStatus status_of(const std::filesystem::path& folder);
nlohmann::json to_json(const GridStatus& status);
std::string to_table(const GridStatus& status);

/// Writes report.html, .csv, .md and .json into the grid's folder and returns the JSON.
nlohmann::json write_grid_report(const std::filesystem::path& folder);

// Commands below `thaw grid`.
void add_grid_list(CLI::App& grid, Action& action);
void add_grid_run(CLI::App& grid, Action& action);
void add_grid_status(CLI::App& grid, Action& action);
void add_grid_report(CLI::App& grid, Action& action);

}  // namespace thaw
