#include "grid/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include "kernels/text.h"

namespace thaw::grid {

namespace {

constexpr double kTop = 12, kRight = 14;

/// Smallest of 1, 2, 5 times a power of ten that gives at most `ticks` steps over `span`.
double round_step(double span, int ticks) {
  const double raw = span / ticks;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

void add_ticks(ChartAxis& axis, double step) {
  const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6);
  const auto first = std::ceil(axis.low / step - 1e-9), last = std::floor(axis.high / step + 1e-9);
  for (double i = first; i <= last; ++i) {
    axis.ticks.emplace_back(i * step, fmt::format("{:.{}f}", i * step + 0.0, digits));
  }
}

std::pair<double, double> range_of(const std::vector<double>& values) {
  if (values.empty()) return {0, 1};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

std::string magnitude_text(double value) {
  if (value >= 0.999e9) return fmt::format("{:g}", value);
  if (value >= 0.999e6) return fmt::format("{:g} M", value / 1e6);
  if (value >= 0.999e3) return fmt::format("{:g} k", value / 1e3);
  return fmt::format("{:g}", value);
}

/// Where things lie in a picture's pixels.
class Frame {
 public:
  explicit Frame(const Chart& chart)
      : chart_(chart),
        left(chart.y.label.empty() ? 38 : 58),
        bottom(chart.height - (chart.x.label.empty() ? 24 : 46)),
        right(chart.width - kRight) {}

  [[nodiscard]] double x(double value) const { return left + share(chart_.x, value) * (right - left); }
  [[nodiscard]] double y(double value) const { return bottom - share(chart_.y, value) * (bottom - kTop); }

 private:
  static double share(const ChartAxis& axis, double value) {
    if (axis.logarithmic) return std::log(value / axis.low) / std::log(axis.high / axis.low);
    return (value - axis.low) / (axis.high - axis.low);
  }
  const Chart& chart_;

 public:
  const double left, bottom, right;
};

std::string axes_svg(const Chart& chart, const Frame& frame) {
  std::string svg = "<g class=\"axes\">\n";
  for (const auto& [value, label] : chart.x.ticks) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", frame.x(value),
                       frame.bottom + 18, html_escaped(label));
    if (chart.x.logarithmic) {
      svg += fmt::format("<path class=\"grid\" d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/>", frame.x(value), kTop, frame.bottom);
    }
  }
  for (const auto& [value, label] : chart.y.ticks) {
    svg +=
        fmt::format("<path class=\"grid\" d=\"M{0:.1f} {1:.1f}H{2:.1f}\"/>", frame.left, frame.y(value), frame.right);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", frame.left - 8,
                       frame.y(value) + 4.5, html_escaped(label));
  }
  svg += fmt::format("<path class=\"base\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", frame.left, frame.bottom, frame.right);
  if (!chart.x.label.empty()) {
    svg += fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                       (frame.left + frame.right) / 2, chart.height - 6, html_escaped(chart.x.label));
  }
  if (!chart.y.label.empty()) {
    svg += fmt::format(
        "<text class=\"label\" transform=\"translate(14 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
        (kTop + frame.bottom) / 2, html_escaped(chart.y.label));
  }
  return svg + "</g>\n";
}

std::string line_svg(const ChartLine& line, const Frame& frame) {
  std::string points;
  for (const auto& [x, y] : line.points) points += fmt::format(" {:.1f},{:.1f}", frame.x(x), frame.y(y));
  return fmt::format("<polyline class=\"{}\" points=\"{}\"/>\n", line.classes, points.empty() ? "" : points.substr(1));
}

std::string mark_svg(const ChartMark& mark, const Frame& frame, double radius) {
  std::string svg;
  if (mark.spread && *mark.spread > 0) {
    svg += fmt::format("<path class=\"bar {0}\" d=\"M{1:.1f} {2:.1f}V{3:.1f}M{4:.1f} {2:.1f}h6M{4:.1f} {3:.1f}h6\"/>",
                       mark.classes, frame.x(mark.x), frame.y(mark.y - *mark.spread), frame.y(mark.y + *mark.spread),
                       frame.x(mark.x) - 3);
  }
  return svg + shape_svg(mark.shape, frame.x(mark.x), frame.y(mark.y), radius, "mark " + mark.classes, mark.title);
}

}  // namespace

ChartAxis linear_axis(std::string label, const std::vector<double>& values, int ticks) {
  auto [low, high] = range_of(values);
  const double room = high > low ? 0.06 * (high - low) : std::max(0.05 * std::abs(high), 0.5);
  ChartAxis axis{.label = std::move(label), .low = low - room, .high = high + room, .ticks = {}};
  add_ticks(axis, round_step(axis.high - axis.low, ticks));
  return axis;
}

ChartAxis whole_axis(std::string label, const std::vector<double>& values, int ticks) {
  const auto [low, high] = range_of(values);
  const double room = std::max(0.5, 0.03 * (high - low));
  ChartAxis axis{.label = std::move(label), .low = low - room, .high = high + room, .ticks = {}};
  add_ticks(axis, std::max(1.0, round_step(high - low + 1, ticks)));
  return axis;
}

ChartAxis percent_axis(std::string label, const std::vector<double>& values, int ticks) {
  ChartAxis axis = linear_axis(std::move(label), values, ticks);
  if (axis.ticks.size() > 1) {  // begin and end at a tick
    const double step = axis.ticks[1].first - axis.ticks[0].first;
    axis.low = std::max(0.0, std::floor(axis.low / step) * step);
    axis.high = std::min(100.0, std::ceil(axis.high / step) * step);
    axis.ticks.clear();
    add_ticks(axis, step);
  }
  return axis;
}

ChartAxis log_axis(std::string label, const std::vector<double>& values) {
  const auto [low, high] = range_of(values);
  ChartAxis axis{.label = std::move(label), .low = low / 1.5, .high = high * 1.5, .logarithmic = true, .ticks = {}};
  if (axis.high / axis.low < 10) {
    const double widen = std::sqrt(10 * axis.low / axis.high);
    axis.low /= widen;
    axis.high *= widen;
  }
  const bool few = axis.high / axis.low < 500;  // powers of ten alone would be two ticks, or one
  for (int power = static_cast<int>(std::floor(std::log10(axis.low))); std::pow(10.0, power) <= axis.high; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, power);
      const bool shown = (factor == 1 || few) && value >= axis.low && value <= axis.high;
      if (shown) axis.ticks.emplace_back(value, magnitude_text(value));
    }
  }
  return axis;
}

std::string to_svg(const Chart& chart) {
  const Frame frame(chart);
  std::string svg = fmt::format(
      "<svg id=\"{0}\" class=\"chart\" viewBox=\"0 0 {1} {2}\" role=\"img\" "
      "aria-labelledby=\"{0}-title {0}-desc\">\n<title id=\"{0}-title\">{3}</title>"
      "<desc id=\"{0}-desc\">{4}</desc>\n",
      chart.id, chart.width, chart.height, html_escaped(chart.title), html_escaped(chart.text));
  svg += axes_svg(chart, frame);
  for (const ChartLine& line : chart.lines) svg += line_svg(line, frame);
  for (const ChartMark& mark : chart.marks) svg += mark_svg(mark, frame, chart.radius);
  return svg + "</svg>\n";
}

}  // namespace thaw::grid
