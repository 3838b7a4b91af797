#pragma once

#include "data/random.h"

namespace thaw {

/// Linear mixing happens on these, 0..1 a channel.
struct Colour {
  double r = 0, g = 0, b = 0;
};

Colour mix(const Colour& a, const Colour& b, double t);

/// A colour and how much of what lies below it hides, 0..1.
struct Paint {
  Colour colour;
  double cover = 0;
};

/// Everything about one picture that the seed decides.
struct FlowerScene {
  int kind = 0;
  double x = 0.5, y = 0.5, radius = 0.3;  ///< of the flower's head; the picture is 1 wide and 1 high, y downwards
  double tilt = 0;                        ///< radians
  int petals = 12;
  double phase = 0;  ///< of ripples and spirals, radians
  Colour petal, petal_shade, heart, leaf;
};

inline constexpr int flower_kinds = 5;

/// Draws the numbers of a scene; `kind` as in `synthetic_class_names`.
FlowerScene random_scene(int kind, RandomSequence& random);

/// The stem and leaves, then the head, at a point of the picture.
Paint paint_green(const FlowerScene& scene, double x, double y);
Paint paint_head(const FlowerScene& scene, double x, double y);

}  // namespace thaw
