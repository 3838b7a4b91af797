#include <algorithm>
#include <cassert>
#include <cmath>

#include "data/image.h"

namespace thaw {

namespace {

/// Where one output row or column reads: the two nearest source pixels and the weight of the second.
struct Tap {
  std::size_t lower, upper;
  float lerp;
};

std::vector<Tap> taps(int in, int out) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  std::vector<Tap> result(static_cast<std::size_t>(out));
  for (int i = 0; i < out; ++i) {
    const float source = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
    const float floor = std::floor(source);
    // At the borders both taps are the same pixel, so the weight, taken from the unclamped floor, does not matter.
    const int lower = std::max(static_cast<int>(floor), 0);
    const int upper = std::min(static_cast<int>(floor) + 1, in - 1);
    result[static_cast<std::size_t>(i)] = {static_cast<std::size_t>(std::min(lower, in - 1)),
                                           static_cast<std::size_t>(upper), source - floor};
  }
  return result;
}

}  // namespace

void resize_bilinear(const Image& image, const PixelBox& box, int size_h, int size_w, bool flip, float* out) {
  assert(box.y >= 0 && box.x >= 0 && box.height >= 1 && box.width >= 1 && size_h >= 1 && size_w >= 1);
  assert(box.y + box.height <= image.height && box.x + box.width <= image.width);
  const std::vector<Tap> rows = taps(box.height, size_h);
  std::vector<Tap> columns = taps(box.width, size_w);
  for (Tap& tap : columns) tap = {tap.lower * 3, tap.upper * 3, tap.lerp};  // pixels -> bytes
  if (flip) std::reverse(columns.begin(), columns.end());

  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  const std::uint8_t* origin =
      image.rgb.data() + static_cast<std::size_t>(box.y) * stride + static_cast<std::size_t>(box.x) * 3;
  for (const Tap& row : rows) {
    const std::uint8_t* upper_row = origin + row.lower * stride;
    const std::uint8_t* lower_row = origin + row.upper * stride;
    for (const Tap& column : columns) {
      for (std::size_t c = 0; c < 3; ++c) {
        const float top_left = upper_row[column.lower + c], top_right = upper_row[column.upper + c];
        const float bottom_left = lower_row[column.lower + c], bottom_right = lower_row[column.upper + c];
        const float top = top_left + (top_right - top_left) * column.lerp;
        const float bottom = bottom_left + (bottom_right - bottom_left) * column.lerp;
        *out++ = top + (bottom - top) * row.lerp;
      }
    }
  }
}

void resize_bilinear(const Image& image, int size_h, int size_w, float* out) {
  resize_bilinear(image, {0, 0, image.height, image.width}, size_h, size_w, false, out);
}

}  // namespace thaw
