#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/pointwise.h"

namespace thaw {

/// A photo, and the box of it that becomes an image.
struct PhotoCrop {
  const std::uint8_t* photo = nullptr;  ///< (height,width,3) RGB
  int height = 0, width = 0;
  int y = 0, x = 0, box_height = 0, box_width = 0;  ///< whole pixels inside the photo
  bool flip = false;                                ///< mirrored left to right after resizing
};

// The arithmetic of `tf.image.resize` (bilinear, half-pixel centres, not antialiased), each operation rounded by
// itself: a compiler may not fuse a product with a sum, or a device's pixels would differ from the processor's.
namespace resize {

#if defined(__CUDA_ARCH__)
THAW_HD float sum(float a, float b) { return __fadd_rn(a, b); }
THAW_HD float difference(float a, float b) { return __fsub_rn(a, b); }
THAW_HD float product(float a, float b) { return __fmul_rn(a, b); }
#else
THAW_HD float sum(float a, float b) { return a + b; }
THAW_HD float difference(float a, float b) { return a - b; }
THAW_HD float product(float a, float b) { return a * b; }
#endif

/// Where one output row or column reads: the two nearest source pixels and the weight of the second.
struct Tap {
  int lower, upper;
  float lerp;
};

/// The tap of output `i` of `out`, from `in` source pixels.
THAW_HD Tap tap(int i, int in, int out) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  const float source = difference(product(sum(static_cast<float>(i), 0.5F), scale), 0.5F);
  const float floor = floorf(source);
  // At the borders both taps are the same pixel, so the weight, taken from the unclamped floor, does not matter.
  const int first = static_cast<int>(floor);
  const int lower = first < 0 ? 0 : first;
  const int upper = first + 1 < in - 1 ? first + 1 : in - 1;
  return {lower < in - 1 ? lower : in - 1, upper, difference(source, floor)};
}

/// The part `lerp` of the way from a to b.
THAW_HD float mix(float a, float b, float lerp) { return sum(a, product(difference(b, a), lerp)); }

/// A channel of one pixel of the image, size x size, that `crop` becomes.
THAW_HD float pixel(const PhotoCrop& crop, const Tap& row, const Tap& column, int channel) {
  const std::int64_t stride = std::int64_t{3} * crop.width;
  const std::uint8_t* top = crop.photo + (crop.y + row.lower) * stride + 3 * crop.x + channel;
  const std::uint8_t* bottom = top + (row.upper - row.lower) * stride;
  const int left = 3 * column.lower;
  const int right = 3 * column.upper;
  return mix(mix(static_cast<float>(top[left]), static_cast<float>(top[right]), column.lerp),
             mix(static_cast<float>(bottom[left]), static_cast<float>(bottom[right]), column.lerp), row.lerp);
}

}  // namespace resize

}  // namespace thaw
