#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "app/grid_options.h"
#include "app/grid_plan.h"
#include "app/options.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "kernels/printable.h"

namespace thaw {

namespace {

struct ListOptions {
  GridChoice choice;
  bool json = false;
};

int run_list(const ListOptions& options, Console& console) {
  const grid::GridFile grid = read_grid_file(options.choice);
  const std::vector<grid::Experiment> experiments = matching(grid, options.choice.match);
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const grid::Experiment& e : experiments) {
      rows.push_back({{"index", e.index},
                      {"id", e.id},
                      {"name", e.name},
                      {"model", e.settings.at("model")},
                      {"unfreeze", e.settings.at("unfreeze")},
                      {"epochs", e.settings.at("epochs")},
                      {"seed", e.settings.at("seed")},
                      {"settings", e.settings},
                      {"published", e.published}});
    }
    print_json(console.out, {{"title", grid.title}, {"file", options.choice.file}, {"experiments", rows}});
    return 0;
  }
  Table table({">no.", "id", "experiment", "unfreeze", "batch norm", ">epochs", ">lr", ">seed"});
  for (const grid::Experiment& e : experiments) {
    const TrainSettings s = grid_settings_of(e);
    table.add({std::to_string(e.index), e.id, e.name, s.unfreeze, s.bn, std::to_string(s.epochs),
               fmt::format("{:g}", s.lr), std::to_string(s.seed)});
  }
  console.out << (grid.title.empty() ? options.choice.file : grid.title) << "\n\n" << table.text();
  return 0;
}

}  // namespace

void add_grid_choice(CLI::App* command, GridChoice& choice) {
  command->add_option("FILE", choice.file, "the grid, a TOML file such as experiments/paper.toml")->required();
  command->add_option("--set", choice.overrides, "train.KEY=VALUE, wins over everything in the file; may come again")
      ->allow_extra_args(false);
  command->add_option("--match", choice.match, "only experiments whose name has this regular expression in it");
}

grid::GridFile read_grid_file(const GridChoice& choice) {
  return grid::parse_grid(read_file(choice.file), choice.file, known_grid_settings(), choice.overrides);
}

std::vector<grid::Experiment> matching(const grid::GridFile& grid, const std::string& match) {
  std::vector<grid::Experiment> chosen;
  try {
    const std::regex pattern(match);
    std::copy_if(grid.experiments.begin(), grid.experiments.end(), std::back_inserter(chosen),
                 [&](const grid::Experiment& e) { return std::regex_search(e.name, pattern); });
  } catch (const std::regex_error& error) {
    fail(ErrorKind::usage, "--match '{}' is no regular expression: {}", printable(match), error.what());
  }
  if (chosen.empty()) {
    fail(ErrorKind::usage, "--match '{}' fits none of the {} experiments, such as {}; `thaw grid list` shows them",
         printable(match), grid.experiments.size(), grid.experiments.front().name);
  }
  return chosen;
}

void add_grid_list(CLI::App& grid, Action& action) {
  CLI::App* command = add_command(grid, "list", "The experiments that a grid's file describes.",
                                  "thaw grid list experiments/paper.toml --match resnet50");
  auto options = std::make_shared<ListOptions>();
  add_grid_choice(command, options->choice);
  add_json_option(command, options->json);
  set_action(command, options, action, run_list);
}

void add_grid(CLI::App& app, Action& action) {
  CLI::App* grid = add_command(
      app, "grid", "Many trainings from one file: run, resume, and report them together.",
      "thaw grid run experiments/paper.toml --data flower_photos.tgz --weights-dir weights --out runs/paper\n"
      "  thaw grid status runs/paper\n"
      "  thaw grid report runs/paper");
  grid->require_subcommand(1);
  add_grid_list(*grid, action);
  add_grid_run(*grid, action);
  add_grid_status(*grid, action);
  add_grid_report(*grid, action);
}

}  // namespace thaw
