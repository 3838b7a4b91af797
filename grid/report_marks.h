#pragma once

#include <string>
#include <vector>

#include "grid/report.h"
#include "grid/svg_chart.h"

namespace thaw::grid {

/// CSS class of a model's colour: by its place in the grid, five colours in turn.
std::string colour_of(std::size_t model);
Shape shape_of(Strategy strategy);

/// Ours (filled, with its deviation) and the published value (hollow) at `x`, where they are there.
void add_marks(std::vector<ChartMark>& marks, const GridReport& report, RowPlace place, double x);

/// Every y that the marks reach, within 0..100.
std::vector<double> heights_of(const std::vector<ChartMark>& marks);

/// What colours, shapes and hollow marks mean, as a list.
std::string legend_html(const GridReport& report, bool with_shapes, bool with_published);

/// `<figure>` around charts, a legend and a caption, which may hold HTML. `wide` figures scroll on narrow screens.
std::string figure_html(const std::string& id, const std::string& charts, const std::string& legend,
                        const std::string& caption, bool wide);

}  // namespace thaw::grid
