#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace thaw::grid {

/// One training of a grid.
struct Experiment {
  int index = 0;                       ///< from 1, in the order of the file
  std::string id;                      ///< 12 hexadecimal digits of the SHA-256 of its settings
  std::string name;                    ///< "resnet50/blocks-3", with more parts where that is not unique in the grid
  nlohmann::json settings;             ///< every setting of a training
  nlohmann::json published = nullptr;  ///< what a publication reports of it, in percent; null: nothing

  /// Its folder within the grid's: the name, and of the id what makes other settings another folder.
  [[nodiscard]] std::string folder() const { return name + "-" + id.substr(0, 8); }
};

/// A grid of experiments as a file describes it.
struct GridFile {
  std::string title;
  std::string sha256;                  ///< of the text
  nlohmann::json published = nullptr;  ///< of the publication as a whole; null: none
  std::vector<Experiment> experiments = {};
};

/// What settings there are.
struct KnownSettings {
  nlohmann::json standard;             ///< each with its value where nothing is said, whose type is the setting's
  std::vector<std::string> elsewhere;  ///< those that say where and how fast, not what: no part of an id
};

/// Reads a grid in TOML:
///
///     title = "..."
///     [train]                       # settings by the names of `thaw train`, '-' written '_'
///     lr = 1e-5                     # fixed
///     seed = [1, 2, 3]              # an axis: every combination of axes is an experiment
///     [[run]]                       # rows: each stands beside [train] and wins over it; without rows one empty row
///     unfreeze = "blocks:3"
///     published = { experiment = 6, test_accuracy = 91.55 }
///     [grid]
///     exclude = [{ model = "resnet50", seed = [2, 3] }]  # leaves out what has all these values
///     include = [{ unfreeze = "all" }]                   # more rows, which `exclude` does not concern
///     [published]
///     title = "..."
///
/// `overrides` are texts such as "train.lr=1e-4" that win over everything in the file; a value that is no TOML is a
/// text. Throws `Error` (usage) naming the file, the place and what was expected: no TOML, an unknown key (with the
/// nearest), another type, an `exclude` that leaves out nothing, two equal experiments, no experiment at all.
GridFile parse_grid(std::string_view text, const std::string& file, const KnownSettings& known,
                    const std::vector<std::string>& overrides = {});

}  // namespace thaw::grid
