#include "grid/svg.h"

#include <fmt/format.h>
#include "kernels/text.h"

namespace thaw::grid {

namespace {

/// The outline around (0, 0), of about the same area for every shape.
std::string outline(Shape shape, double r) {
  switch (shape) {
    case Shape::circle:
      return fmt::format("M{0:.2f} 0a{1:.2f} {1:.2f} 0 1 0 {2:.2f} 0a{1:.2f} {1:.2f} 0 1 0 {3:.2f} 0Z", -r, r, 2 * r,
                         -2 * r);
    case Shape::triangle:
      return fmt::format("M0 {:.2f}L{:.2f} {:.2f}H{:.2f}Z", -1.2 * r, 1.15 * r, 0.85 * r, -1.15 * r);
    case Shape::square: return fmt::format("M{0:.2f} {0:.2f}H{1:.2f}V{1:.2f}H{0:.2f}Z", -0.9 * r, 0.9 * r);
    case Shape::diamond: return fmt::format("M0 {0:.2f}L{1:.2f} 0L0 {1:.2f}L{0:.2f} 0Z", -1.3 * r, 1.3 * r);
    case Shape::cross:
      return fmt::format(
          "M{0:.2f} "
          "{1:.2f}H{0:.2f}V{0:.2f}H{2:.2f}V{1:.2f}H{3:.2f}V{2:.2f}H{2:.2f}V{3:.2f}H{0:.2f}V{2:.2f}H{1:.2f}V{0:.2f}H{0:."
          "2f}Z",
          -0.4 * r, -1.2 * r, 0.4 * r, 1.2 * r);
  }
  return "";
}

}  // namespace

std::string shape_svg(Shape shape, double x, double y, double radius, std::string_view classes,
                      std::string_view title) {
  const std::string path = fmt::format("<path class=\"{}\" transform=\"translate({:.1f} {:.1f})\" d=\"{}\"", classes, x,
                                       y, outline(shape, radius));
  return title.empty() ? path + "/>" : fmt::format("{}><title>{}</title></path>\n", path, html_escaped(title));
}

std::string key_svg(Shape shape, std::string_view classes) {
  return fmt::format("<svg class=\"key\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">{}</svg>",
                     shape_svg(shape, 8, 8, 5, classes, ""));
}

std::string key_line_svg(std::string_view classes) {
  return fmt::format(
      "<svg class=\"key wide\" viewBox=\"0 0 28 16\" aria-hidden=\"true\"><path class=\"{}\" d=\"M1 8H27\"/></svg>",
      classes);
}

}  // namespace thaw::grid
