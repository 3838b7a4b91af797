#pragma once

#include <map>
#include <string>
#include <vector>

#include "grid/record.h"

namespace thaw::grid {

/// Settings by where they differ. What has a column of its own in every table (model, selector, epochs, seed) is left
/// out.
struct SettingsSplit {
  std::map<std::string, std::string> common;                           ///< one value in the whole grid
  std::map<std::string, std::map<std::string, std::string>> of_model;  ///< by model: one value within each model
  std::vector<std::string> varied;                                     ///< the rest
};

SettingsSplit split_settings(const std::vector<ExperimentRecord>& experiments);

/// A setting as text; empty where the experiment has none of that name.
std::string setting_text(const ExperimentRecord& experiment, const std::string& name);

}  // namespace thaw::grid
