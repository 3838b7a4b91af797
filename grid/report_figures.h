#pragma once

#include <string>

#include "grid/report.h"

namespace thaw::grid {

/// Figures as HTML; empty where there is nothing to draw. Every datum is an element of class "mark", published ones are
/// of class "published" too.

/// The paper's Figure 2: test accuracy against the number of the experiment.
std::string figure_of_experiments(const GridReport& report);
/// The paper's Figure 3: test accuracy against unfrozen blocks and against the first unfrozen layer.
std::string figure_of_strategies(const GridReport& report);
std::string figure_of_parameters(const GridReport& report);
std::string figure_of_predictions(const GridReport& report);
/// Train and validation accuracy by epoch, a small picture a row; the losses with `losses`.
std::string figure_of_curves(const GridReport& report, bool losses);

}  // namespace thaw::grid
