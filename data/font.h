#pragma once

#include <string_view>

#include "data/image.h"

namespace thaw {

/// A letter cell, gaps included, in font pixels.
inline constexpr int font_width = 6, font_height = 8;

/// Writes text in white capitals of 5 x 7 font pixels, each `scale` image pixels wide, with the upper left corner at
/// (x, y). Letters, digits, '-', '_' and '.' have a shape; anything else is a gap. What leaves the image is cut.
void draw_text(Image& image, int x, int y, int scale, std::string_view text);

}  // namespace thaw
