#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "grid/svg.h"

namespace thaw::grid {

/// An axis with its ticks; `logarithmic` ones run over positive numbers.
struct ChartAxis {
  std::string label;
  double low = 0, high = 1;
  bool logarithmic = false;
  std::vector<std::pair<double, std::string>> ticks = {};
};

/// Axes that hold all values with some room at both ends and have about `ticks` ticks at round numbers.
ChartAxis linear_axis(std::string label, const std::vector<double>& values, int ticks = 6);
/// The same with ticks at whole numbers only, and room of half a unit at both ends.
ChartAxis whole_axis(std::string label, const std::vector<double>& values, int ticks = 15);
/// Not above `limit` nor below 0, as percents are.
ChartAxis percent_axis(std::string label, const std::vector<double>& values, int ticks = 6);
ChartAxis log_axis(std::string label, const std::vector<double>& values);

struct ChartMark {
  double x = 0, y = 0;
  Shape shape = Shape::circle;
  std::string classes;           ///< beside "mark"
  std::string title;             ///< tooltip
  std::optional<double> spread;  ///< half the length of an error bar in y
};
struct ChartLine {
  std::vector<std::pair<double, double>> points;
  std::string classes;
};

/// A figure in its own coordinates: width and height of the picture, then what is drawn, lines first.
struct Chart {
  std::string id;                     ///< of the element; title and description are found by it
  std::string title = {}, text = {};  ///< for those who do not see it
  double width = 520, height = 340;
  ChartAxis x = {}, y = {};
  std::vector<ChartLine> lines = {};
  std::vector<ChartMark> marks = {};
  double radius = 5.5;  ///< of marks
};

std::string to_svg(const Chart& chart);

}  // namespace thaw::grid
