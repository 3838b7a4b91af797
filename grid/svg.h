#pragma once

#include <string>
#include <string_view>

namespace thaw::grid {

enum class Shape { circle, triangle, square, diamond, cross };

/// A mark of a figure: `classes` are its CSS classes ("mark m0 solid"), `title` its tooltip, unescaped; none where
/// empty.
std::string shape_svg(Shape shape, double x, double y, double radius, std::string_view classes, std::string_view title);

/// The same as a picture of its own, for a legend.
std::string key_svg(Shape shape, std::string_view classes);
/// A short line for a legend.
std::string key_line_svg(std::string_view classes);

}  // namespace thaw::grid
