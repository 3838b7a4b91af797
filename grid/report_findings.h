#pragma once

#include "grid/report.h"

namespace thaw::grid {

/// Fills in what follows from a model's rows: best and worst, gap, overfitting, agreement and advice. `published` is
/// the table of that name in `grid.json`, or null.
void find_in_model(ModelReport& model, const nlohmann::json& published);

/// Of those rows, which must be finished, each with the highest test accuracy (equal within 1e-9 points).
Best best_of(const std::vector<ReportRow>& rows, const std::vector<std::size_t>& candidates);

/// Training time of two models: those that `published` names, else the first two of the grid. Nothing where no
/// experiment was finished with both.
std::optional<TimeRatio> find_time_ratio(const std::vector<ModelReport>& models, const nlohmann::json& published);

/// Versions of thaw, devices, number types, digests: what the results say, each distinct value once.
std::map<std::string, std::vector<std::string>> provenance_of(const std::vector<ExperimentRecord>& experiments);

/// What a reader must know before any figure.
std::vector<Notice> notices_of(const GridRecord& record);

}  // namespace thaw::grid
