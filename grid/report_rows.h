#pragma once

#include <vector>

#include "grid/report.h"
#include "grid/report_settings.h"

namespace thaw::grid {

/// One `ModelReport` a model, in the order of the grid, with its rows and settings only.
std::vector<ModelReport> collect_rows(const std::vector<ExperimentRecord>& experiments, const SettingsSplit& settings);

/// Strategy and value of a selector: `none`, `all`, `blocks:N`, `layer:N`; any other is `other`.
Strategy strategy_of(const std::string& unfreeze, std::optional<int>& value);

}  // namespace thaw::grid
