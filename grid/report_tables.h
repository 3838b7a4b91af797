#pragma once

#include <string>

#include "grid/report.h"

namespace thaw::grid {

/// Tables as HTML, each in a box of its own that scrolls where it is too wide; empty where there is nothing to show.

/// A model's experiments with the paper's columns, ours beside the published values.
std::string table_of_model(const GridReport& report, const ModelReport& model);
std::string table_of_best(const GridReport& report);
/// Of the first of the best rows.
std::string table_of_confusion(const GridReport& report);
std::string table_of_settings(const GridReport& report);

/// `<table>` in its box; `label` is for those who do not see it, unescaped.
std::string boxed_table(const std::string& label, const std::string& classes, const std::string& contents);

}  // namespace thaw::grid
