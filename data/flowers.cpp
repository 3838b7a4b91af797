#include "data/flowers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace thaw {

namespace {

constexpr double pi = std::numbers::pi;

enum Kind { daisy, dandelion, rose, sunflower, tulip };  // the order of synthetic_class_names

/// 0 below `low`, 1 above `high`, smooth between.
double ramp(double low, double high, double value) {
  const double t = std::clamp((value - low) / (high - low), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

double fraction(double value) { return value - std::floor(value); }

Colour shade(const Colour& colour, double factor) { return {colour.r * factor, colour.g * factor, colour.b * factor}; }

Paint over(const Paint& top, const Paint& bottom) {
  const double cover = top.cover + bottom.cover * (1 - top.cover);
  return {cover > 0 ? mix(bottom.colour, top.colour, top.cover / cover) : Colour{}, cover};
}

/// A point seen from the flower's head: in radii, turned by the tilt.
struct Polar {
  double u, v, r, angle;
};

Polar seen_from_head(const FlowerScene& s, double x, double y) {
  const double dx = (x - s.x) / s.radius, dy = (y - s.y) / s.radius;
  const double u = dx * std::cos(s.tilt) + dy * std::sin(s.tilt), v = dy * std::cos(s.tilt) - dx * std::sin(s.tilt);
  return {u, v, std::hypot(u, v), std::atan2(v, u)};
}

/// A disc of seeds or florets.
Paint heart(const FlowerScene& s, const Polar& p, double size, double grain) {
  const double light = 0.75 + 0.25 * ramp(size, 0, p.r) + grain;
  return {shade(s.heart, light), 1 - ramp(size - 0.02, size + 0.02, p.r)};
}

/// Many slender white petals with rounded tips around a yellow heart.
Paint paint_daisy(const FlowerScene& s, const Polar& p) {
  const double middle = std::abs(std::cos(0.5 * s.petals * p.angle));  // 1 along a petal, 0 between two
  const double tip = 0.3 + 0.7 * std::pow(middle, 0.4);
  const Paint petals{mix(s.petal_shade, s.petal, ramp(0.1, 0.9, middle) * (0.6 + 0.4 * p.r)),
                     1 - ramp(tip - 0.03, tip + 0.03, p.r)};
  return over(heart(s, p, 0.27, 0.12 * std::sin(40 * p.u) * std::sin(40 * p.v)), petals);
}

/// The seed head: a pale, see-through ball of spokes that end in tufts, around a small dark heart.
Paint paint_dandelion(const FlowerScene& s, const Polar& p) {
  const double turn = p.angle / (2 * pi) * 3 * s.petals + 0.3 * std::sin(7 * p.r + s.phase);
  const double across = std::abs(fraction(turn) - 0.5) * 2;  // 0 on a spoke
  const double spoke = (1 - ramp(0.1, 0.5, across)) * ramp(0.1, 0.3, p.r);
  const double tufts = ramp(0.1, 0.9, std::sin(23 * p.r + 2 * std::floor(turn)) * std::cos(pi * across / 2));
  const double inside = 1 - ramp(0.9, 1.04, p.r + 0.05 * std::sin(2 * pi * turn));
  const double cover =
      inside * std::clamp(0.22 + 0.3 * p.r * p.r + 0.35 * spoke + 0.4 * tufts * ramp(0.3, 0.7, p.r), 0.0, 0.95);
  return over(heart(s, p, 0.13, 0), {mix(s.petal_shade, s.petal, 0.4 + 0.6 * tufts), cover});
}

/// Petals wound in a spiral: each is bright at its rim and dark in the fold below the next.
Paint paint_rose(const FlowerScene& s, const Polar& p) {
  const double outline = 0.93 + 0.07 * std::cos(5 * p.angle + s.phase);
  const double wound = 4.2 * std::sqrt(p.r) + p.angle / (2 * pi) + 0.3 * std::sin(3 * p.angle + s.phase) * p.r;
  const double across = fraction(wound);
  const double light = ramp(0.0, 0.75, across) * (1 - 0.5 * ramp(0.92, 1.0, across));
  return {mix(s.petal_shade, s.petal, light * (0.55 + 0.45 * p.r)), 1 - ramp(outline - 0.03, outline + 0.03, p.r)};
}

/// One ring of pointed petals, from the rim of the heart to 1.
Paint pointed_petals(const FlowerScene& s, const Polar& p, double offset, double light) {
  const double across = std::abs(fraction(p.angle / (2 * pi) * s.petals + offset) - 0.5) * 2;  // 0 in the middle
  const double half_width = 1.05 * (1 - ramp(0.62, 1.02, p.r));
  const double vein = 0.12 * (1 - ramp(0.0, 0.25, across));
  return {mix(s.petal_shade, s.petal, light * (1 - 0.5 * across) - vein),
          1 - ramp(half_width - 0.12, half_width, across)};
}

/// Two rings of pointed yellow petals around a large dark heart with seeds along crossing spirals.
Paint paint_sunflower(const FlowerScene& s, const Polar& p) {
  const double seeds = std::sin(21 * p.angle + 26 * p.r) * std::sin(-13 * p.angle + 26 * p.r);
  const Paint front = pointed_petals(s, p, 0, 1.0), back = pointed_petals(s, p, 0.5, 0.6);
  return over(heart(s, p, 0.5, 0.45 * ramp(0.2, 0.8, seeds)), over(front, back));
}

/// A cup seen from the side: three petals that end in points.
Paint paint_tulip(const FlowerScene& s, const Polar& p) {
  const double belly = (p.v - 0.2) / 0.8;
  const double half_width = p.v > 0.2 ? 0.72 * std::sqrt(std::max(0.0, 1 - belly * belly)) : 0.72 + 0.12 * (p.v - 0.2);
  const double top = -0.95 + 0.45 * std::abs(std::sin(1.5 * pi * p.u / 0.72));
  const double cup =
      (1 - ramp(half_width - 0.03, half_width + 0.03, std::abs(p.u))) * ramp(top - 0.03, top + 0.03, p.v);
  const double middle_width = 0.36 * std::sqrt(std::max(0.0, 1 - belly * belly * (p.v > 0.2 ? 1 : 0.45)));
  const double inner = std::abs(p.u) / std::max(0.05, middle_width);  // below 1 on the petal in front
  const double light = inner < 1 ? 0.75 + 0.25 * (1 - inner * inner) : 0.2 + 0.4 * ramp(1.0, 2.2, inner);
  return {mix(s.petal_shade, s.petal, light), cup};
}

/// A leaf shaped like a lens, from (x0, y0) to (x1, y1).
double lens(double x, double y, double x0, double y0, double x1, double y1, double width) {
  const double dx = x1 - x0, dy = y1 - y0, squared = dx * dx + dy * dy;
  const double along = ((x - x0) * dx + (y - y0) * dy) / squared;
  if (along <= 0 || along >= 1) return 0;
  const double across = std::abs((x - x0) * dy - (y - y0) * dx) / std::sqrt(squared);
  const double half = width * std::sin(pi * along);
  return 1 - ramp(half - 0.006, half + 0.006, across);
}

Colour jitter(const Colour& colour, RandomSequence& random, double amount) {
  const auto move = [&](double value) { return std::clamp(value + random.uniform(-amount, amount), 0.0, 1.0); };
  return {move(colour.r), move(colour.g), move(colour.b)};
}

struct PetalColours {
  Colour bright, dark;
};

PetalColours petal_colours(int kind, RandomSequence& random) {
  static constexpr std::array<PetalColours, 2> daisies{
      {{{1, 1, 0.98}, {0.7, 0.72, 0.78}}, {{1, 0.9, 0.95}, {0.8, 0.6, 0.7}}}};
  static constexpr std::array<PetalColours, 2> dandelions{
      {{{0.97, 0.97, 0.95}, {0.75, 0.75, 0.74}}, {{0.95, 0.93, 0.88}, {0.72, 0.69, 0.62}}}};
  static constexpr std::array<PetalColours, 4> roses{{{{0.9, 0.1, 0.15}, {0.35, 0, 0.05}},
                                                      {{1, 0.55, 0.68}, {0.65, 0.2, 0.35}},
                                                      {{1, 0.92, 0.8}, {0.75, 0.55, 0.45}},
                                                      {{1, 0.65, 0.45}, {0.7, 0.3, 0.15}}}};
  static constexpr std::array<PetalColours, 2> sunflowers{
      {{{1, 0.85, 0.1}, {0.8, 0.45, 0.02}}, {{1, 0.72, 0.05}, {0.7, 0.32, 0}}}};
  static constexpr std::array<PetalColours, 4> tulips{{{{0.95, 0.15, 0.2}, {0.5, 0, 0.08}},
                                                       {{0.7, 0.3, 0.8}, {0.32, 0.08, 0.42}},
                                                       {{1, 0.55, 0.15}, {0.7, 0.22, 0.05}},
                                                       {{1, 0.6, 0.75}, {0.7, 0.25, 0.45}}}};
  const auto pick = [&](const auto& table) {
    return table[static_cast<std::size_t>(random.integer(0, static_cast<int>(table.size()) - 1))];
  };
  switch (kind) {
    case daisy: return pick(daisies);
    case dandelion: return pick(dandelions);
    case rose: return pick(roses);
    case sunflower: return pick(sunflowers);
    default: return pick(tulips);
  }
}

}  // namespace

Colour mix(const Colour& a, const Colour& b, double t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

FlowerScene random_scene(int kind, RandomSequence& random) {
  static constexpr std::array<Colour, flower_kinds> hearts{
      {{0.98, 0.75, 0.1}, {0.35, 0.3, 0.2}, {}, {0.36, 0.2, 0.08}, {}}};
  FlowerScene s;
  s.kind = kind;
  s.radius = random.uniform(0.2, 0.36);
  s.x = random.uniform(0.36, 0.64);
  s.y = random.uniform(0.34, 0.56);
  s.tilt = kind == tulip ? random.uniform(-0.35, 0.35) : random.uniform(-pi, pi);
  s.petals = kind == sunflower ? random.integer(15, 22) : random.integer(12, 18);
  s.phase = random.uniform(0, 2 * pi);
  const auto [bright, dark] = petal_colours(kind, random);
  s.petal = jitter(bright, random, 0.05);
  s.petal_shade = jitter(dark, random, 0.05);
  s.heart = jitter(hearts[static_cast<std::size_t>(kind)], random, 0.05);
  s.leaf = jitter({0.2, 0.48, 0.18}, random, 0.08);
  return s;
}

Paint paint_green(const FlowerScene& s, double x, double y) {
  const double bend = 0.06 * std::sin(s.phase) * std::sin(pi * (y - s.y));
  const double half = s.kind == tulip ? 0.022 : s.kind == sunflower ? 0.026 : 0.014;
  const double side = std::abs(x - s.x - bend);
  double cover = y > s.y ? 1 - ramp(half - 0.006, half + 0.006, side) : 0;
  if (s.kind == tulip) {  // long leaves from the ground
    cover = std::max(cover, lens(x, y, s.x, 1.1, s.x - 0.26, s.y + 0.12, 0.06));
    cover = std::max(cover, lens(x, y, s.x, 1.1, s.x + 0.24, s.y + 0.2, 0.055));
  } else if (s.kind == rose) {  // short ones behind the head
    for (int k = 0; k < 3; ++k) {
      const double angle = s.phase + 2.1 * k;
      cover = std::max(cover, lens(x, y, s.x, s.y, s.x + 1.5 * s.radius * std::cos(angle),
                                   s.y + 1.5 * s.radius * std::sin(angle), 0.3 * s.radius));
    }
  } else if (s.kind == sunflower) {  // one broad leaf on the stem
    cover = std::max(cover, lens(x, y, s.x, 0.95, s.x + (std::sin(s.phase) < 0 ? -0.3 : 0.3), 0.8, 0.07));
  }
  return {shade(s.leaf, 0.8 + 0.4 * ramp(0, 0.2, side)), cover};
}

Paint paint_head(const FlowerScene& s, double x, double y) {
  const Polar p = seen_from_head(s, x, y);
  if (p.r > 1.2) return {};
  switch (s.kind) {
    case daisy: return paint_daisy(s, p);
    case dandelion: return paint_dandelion(s, p);
    case rose: return paint_rose(s, p);
    case sunflower: return paint_sunflower(s, p);
    default: return paint_tulip(s, p);
  }
}

}  // namespace thaw
