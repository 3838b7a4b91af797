#include <algorithm>
#include <cassert>
#include <cstring>

#include "data/image.h"
#include "kernels/resize.h"

namespace thaw {

namespace {

/// As `resize::Tap`, for addresses.
struct Tap {
  std::size_t lower, upper;
  float lerp;
};

std::vector<Tap> taps(int in, int out) {
  std::vector<Tap> result(static_cast<std::size_t>(out));
  for (int i = 0; i < out; ++i) {
    const resize::Tap tap = resize::tap(i, in, out);
    result[static_cast<std::size_t>(i)] = {static_cast<std::size_t>(tap.lower), static_cast<std::size_t>(tap.upper),
                                           tap.lerp};
  }
  return result;
}

/// A pixel's three channels, and what lies behind them in memory: the fourth lane is never used.
using Lanes = float __attribute__((vector_size(16)));
constexpr std::size_t spare_floats = 1;  // behind a row, for the fourth lane of its last pixel

Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

/// One source row, mixed horizontally: what every output row between it and a neighbour needs.
struct MixedRow {
  std::vector<float> pixels;
  std::size_t row = 0;
  bool filled = false;
};

/// Mixes source rows horizontally, each of them once: neighbouring output rows mostly share one.
class RowMixer {
 public:
  RowMixer(const std::uint8_t* origin, std::size_t stride, std::size_t width, const std::vector<Tap>& columns)
      : origin_(origin), stride_(stride), columns_(columns), source_(width * 3 + spare_floats) {
    for (MixedRow& mixed : mixed_) mixed.pixels.resize(columns.size() * 3 + spare_floats);
  }

  /// Consecutive rows may be held at a time: the buffer is that of the row's parity.
  const float* operator()(std::size_t row) {
    MixedRow& mixed = mixed_[row % 2];
    if (!mixed.filled || mixed.row != row) mix(row, mixed);
    return mixed.pixels.data();
  }

 private:
  void mix(std::size_t row, MixedRow& mixed) {
    const std::uint8_t* bytes = origin_ + row * stride_;
    for (std::size_t i = 0; i < source_.size() - spare_floats; ++i) source_[i] = static_cast<float>(bytes[i]);
    float* out = mixed.pixels.data();
    for (const Tap& column : columns_) {
      const Lanes left = load(source_.data() + column.lower);
      const Lanes right = load(source_.data() + column.upper);
      const Lanes pixel = left + (right - left) * column.lerp;
      std::memcpy(out, &pixel, sizeof pixel);
      out += 3;
    }
    mixed.row = row;
    mixed.filled = true;
  }

  const std::uint8_t* origin_;
  std::size_t stride_;
  const std::vector<Tap>& columns_;
  std::vector<float> source_;
  MixedRow mixed_[2];
};

}  // namespace

void resize_bilinear(const Image& image, const PixelBox& box, int size_h, int size_w, bool flip, float* out) {
  assert(box.y >= 0 && box.x >= 0 && box.height >= 1 && box.width >= 1 && size_h >= 1 && size_w >= 1);
  assert(box.y + box.height <= image.height && box.x + box.width <= image.width);
  const std::vector<Tap> rows = taps(box.height, size_h);
  std::vector<Tap> columns = taps(box.width, size_w);
  for (Tap& tap : columns) tap = {tap.lower * 3, tap.upper * 3, tap.lerp};  // pixels -> floats
  if (flip) std::reverse(columns.begin(), columns.end());

  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  const std::uint8_t* origin =
      image.rgb.data() + static_cast<std::size_t>(box.y) * stride + static_cast<std::size_t>(box.x) * 3;
  RowMixer mixed(origin, stride, static_cast<std::size_t>(box.width), columns);
  const std::size_t floats = static_cast<std::size_t>(size_w) * 3;
  for (const Tap& row : rows) {
    const float* top = mixed(row.lower);
    const float* bottom = mixed(row.upper);
    for (std::size_t i = 0; i < floats; ++i) out[i] = top[i] + (bottom[i] - top[i]) * row.lerp;
    out += floats;
  }
}

void resize_bilinear(const Image& image, int size_h, int size_w, float* out) {
  resize_bilinear(image, {0, 0, image.height, image.width}, size_h, size_w, false, out);
}

}  // namespace thaw
