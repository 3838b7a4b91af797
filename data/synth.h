#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "data/image.h"

namespace thaw {

/// Photos that nobody took: for a machine without real data, and for tests. Their class names begin with "drawn_", so
/// that no result of theirs can pass for one of tf_flowers.
struct SynthOptions {
  int per_class = 60;
  int size = 96;  ///< width and height in pixels
  std::uint64_t seed = 0;
};

/// drawn_daisy, drawn_dandelion, drawn_rose, drawn_sunflower, drawn_tulip: alphabetical, so the index is the label.
const std::array<std::string_view, 5>& synthetic_class_names();

/// One picture of class `kind`: place, size, tilt, colours, background and noise vary with the seed, the kind of
/// flower does not. A pure function of its arguments.
Image draw_flower(int kind, std::uint64_t seed, int size);

/// Writes `per_class` JPEG files into each of five class folders of `folder`, and a note that says what they are.
/// The folder must be new, empty, or an earlier drawing, which is replaced; anything else is an `Error` (usage).
void draw_synthetic_flowers(const std::filesystem::path& folder, const SynthOptions& options = {});

}  // namespace thaw
