#include "microscope/chart.h"

#include <algorithm>
#include <cmath>
#include <map>
#include "kernels/text.h"

namespace thaw::microscope {

namespace {

constexpr double kWidth = 860, kHeight = 420, kLeft = 64, kRight = 20, kTop = 20, kBottom = 48;

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #8a8a8a; --grid: #e2e2e2; --ground: #ffffff; --roof: #444444;
  --c0: #1f6fb4; --c1: #c4500c; --c2: #2b8a3e; --c3: #8a3fa0; --bad: #d00000; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #9a9a9a; --grid: #333333; --ground: #161616;
  --roof: #bbbbbb; --c0: #6db3ee; --c1: #f5995c; --c2: #74cf87; --c3: #cf92e3; --bad: #ff6b6b; } }
body { font: 14px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 2em auto; max-width: 880px; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--grid); } .roof { stroke: var(--roof); stroke-width: 2; fill: none; }
.mark { fill-opacity: 0.75; stroke: var(--ground); } .mark:hover { fill-opacity: 1; stroke: var(--ink); }
.d0 { fill: var(--c0); } .d1 { fill: var(--c1); } .d2 { fill: var(--c2); } .d3 { fill: var(--c3); } .bad { fill: var(--bad); }
)";

/// A log axis from `low` to `high`, widened to whole decades, onto pixels.
class Axis {
 public:
  Axis(double low, double high, double from, double to)
      : first_(static_cast<int>(std::floor(std::log10(low)))),
        last_(std::max(static_cast<int>(std::ceil(std::log10(high))), first_ + 1)),
        from_(from),
        to_(to) {}

  [[nodiscard]] double at(double value) const {
    return from_ + (std::log10(value) - first_) / (last_ - first_) * (to_ - from_);
  }
  [[nodiscard]] int first() const { return first_; }
  [[nodiscard]] int last() const { return last_; }
  [[nodiscard]] double low() const { return std::pow(10.0, first_); }
  [[nodiscard]] double high() const { return std::pow(10.0, last_); }

 private:
  int first_, last_;
  double from_, to_;
};

std::string power_text(int power) {
  return power >= -2 && power <= 5 ? fmt::format("{:g}", std::pow(10.0, power)) : fmt::format("1e{}", power);
}

std::string axes_svg(const Axis& x, const Axis& y, std::string_view x_name, std::string_view y_name) {
  std::string svg;
  for (int p = x.first(); p <= x.last(); ++p) {
    const double at = x.at(std::pow(10.0, p));
    svg += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>", at, kTop,
                       kHeight - kBottom);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", at, kHeight - kBottom + 16,
                       power_text(p));
  }
  for (int p = y.first(); p <= y.last(); ++p) {
    const double at = y.at(std::pow(10.0, p));
    svg += fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", kLeft,
                       kWidth - kRight, at);
    svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kLeft - 6, at + 4, power_text(p));
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>", (kLeft + kWidth - kRight) / 2,
                     kHeight - 10, x_name);
  svg += fmt::format("<text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                     (kTop + kHeight - kBottom) / 2, y_name);
  return svg;
}

struct Mark {
  double x = 0, y = 0;
  const Row* row = nullptr;
};

std::string title_of(const Row& row, const Ceilings& roof) {
  const Timing& cold = *row.cold;
  std::string text = fmt::format(
      "{} {} {}\ncold {:.4g} ms, hot {:.4g} ms, {} a step\n{:.4g} GFLOP/s, {:.4g} GB/s, "
      "{:.0f} % of the roof ({})\ncheck: {}, {}",
      row.request.family, row.request.problem, row.request.direction, cold.seconds.median * 1e3,
      row.hot ? row.hot->seconds.median * 1e3 : 0, row.request.count, row.flops / cold.seconds.median / 1e9,
      row.bytes / cold.seconds.median / 1e9, 100 * share_of_roof(row, cold, roof), bound_of(row, roof),
      name_of(row.finding.agreement), row.finding.part);
  if (!row.request.name.empty()) text = row.request.name + "\n" + text;
  if (row.way) text += "\nplan: " + row.way->name;
  if (!row.finding.complaint.empty()) text += "\n" + row.finding.complaint;
  return text;
}

/// Colours by direction, in the order of their first appearance.
using Colours = std::map<std::string, int>;

std::string marks_svg(const std::vector<Mark>& marks, const Axis& x, const Axis& y, const Colours& colours,
                      const Ceilings& roof) {
  std::string svg;
  for (const Mark& mark : marks) {
    const std::string colour =
        mark.row->good() ? fmt::format("d{}", colours.at(mark.row->request.direction) % 4) : std::string("bad");
    svg += fmt::format("<circle class=\"mark {}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\"><title>{}</title></circle>\n",
                       colour, x.at(mark.x), y.at(mark.y), html_escaped(title_of(*mark.row, roof)));
  }
  return svg;
}

std::string svg_of(const std::string& contents, std::string_view label) {
  return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n", kWidth, kHeight, label,
                     contents);
}

/// Extremes of the marks and the values beside them.
struct Span {
  double low = 1e300, high = 1e-300;
  void add(double value) {
    if (value <= 0) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

std::string chart(const std::vector<Mark>& marks, bool arithmetic, const Ceilings& roof, const Colours& colours) {
  if (marks.empty()) return "<p>No such row.</p>\n";
  Span across, up;
  for (const Mark& mark : marks) {
    across.add(mark.x);
    up.add(mark.y);
  }
  up.add(arithmetic ? roof.gflops : roof.gbs);
  if (arithmetic && roof.gbs > 0) across.add(roof.gflops / roof.gbs);
  const Axis x(across.low, across.high, kLeft, kWidth - kRight);
  const Axis y(up.low, up.high, kHeight - kBottom, kTop);
  std::string svg = arithmetic ? axes_svg(x, y, "FLOP a byte of least traffic", "GFLOP/s, cold")
                               : axes_svg(x, y, "bytes a call", "GB/s, cold");
  // The roof: memory's slope up to the arithmetic's level, or memory's level alone.
  if (arithmetic && roof.gflops > 0 && roof.gbs > 0) {
    const double start = std::clamp(y.low() / roof.gbs, x.low(), x.high());
    const double knee = std::clamp(roof.gflops / roof.gbs, start, x.high());
    svg += fmt::format("<polyline class=\"roof\" points=\"{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}\"/>\n", x.at(start),
                       y.at(std::max(start * roof.gbs, y.low())), x.at(knee), y.at(roof.gflops), x.at(x.high()),
                       y.at(roof.gflops));
  } else if (!arithmetic && roof.gbs > 0) {
    svg += fmt::format("<polyline class=\"roof\" points=\"{:.1f},{:.1f} {:.1f},{:.1f}\"/>\n", x.at(x.low()),
                       y.at(roof.gbs), x.at(x.high()), y.at(roof.gbs));
  }
  return svg_of(svg + marks_svg(marks, x, y, colours, roof), arithmetic ? "roofline" : "memory rates");
}

}  // namespace

std::string roofline_page(const RunInfo& info, const std::vector<Row>& rows) {
  const Ceilings roof = info.roof();
  std::vector<Mark> arithmetic, memory;
  Colours colours;
  for (const Row& row : rows) {
    if (!row.cold || row.bytes <= 0) continue;
    const double seconds = row.cold->seconds.median;
    if (row.flops > 0) {
      arithmetic.push_back({row.flops / row.bytes, row.flops / seconds / 1e9, &row});
    } else {
      memory.push_back({row.bytes, row.bytes / seconds / 1e9, &row});
    }
    colours.emplace(row.request.direction, static_cast<int>(colours.size()));
  }
  std::string key;
  for (const auto& [direction, colour] : colours) {
    key += fmt::format(
        "<svg style=\"width:12px;height:12px\" viewBox=\"0 0 12 12\"><rect class=\"d{}\" width=\"12\" "
        "height=\"12\"/></svg> {} &nbsp; ",
        colour % 4, html_escaped(direction));
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>thaw bench: roofline</title>\n"
      "<style>{}</style></head><body>\n<h1>thaw bench {}</h1>\n"
      "<p>{}, {} threads, {}, thaw {}. Roof: {:.0f} GFLOP/s ({}), {:.1f} GB/s ({}).{}</p>\n<p>{}</p>\n"
      "<h2>Rows with arithmetic</h2>\n{}<h2>Rows that move memory</h2>\n{}</body></html>\n",
      kStyle, html_escaped(info.command), html_escaped(info.device.name), info.threads, html_escaped(info.date),
      html_escaped(info.version), roof.gflops, html_escaped(roof.gflops_how), roof.gbs, html_escaped(roof.gbs_how),
      info.unsteady() ? " The machine was not left alone: the roof moved by more than a tenth." : "", key,
      chart(arithmetic, true, roof, colours), chart(memory, false, roof, colours));
}

}  // namespace thaw::microscope
