#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/explore.h"
#include "data/font.h"
#include "data/parallel.h"
#include "kernels/error.h"

namespace thaw {

namespace {

constexpr int gap = 2;  // pixels between photos

/// The middle square of an image, averaged over 2 x 2 pixels until bilinear sampling misses nothing, then resized.
Image square_thumbnail(const Image& source, int thumb) {
  const int side = std::min(source.width, source.height);
  PixelBox box{(source.height - side) / 2, (source.width - side) / 2, side, side};
  Image image = source;
  while (box.height >= 2 * thumb) {
    Image half{box.width / 2, box.height / 2, {}};
    half.rgb.reserve(static_cast<std::size_t>(half.width) * static_cast<std::size_t>(half.height) * 3);
    const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
    for (int y = 0; y < half.height; ++y) {
      for (int x = 0; x < half.width; ++x) {
        const std::uint8_t* p = image.rgb.data() + static_cast<std::size_t>(box.y + 2 * y) * stride +
                                static_cast<std::size_t>(box.x + 2 * x) * 3;
        for (std::size_t c = 0; c < 3; ++c)
          half.rgb.push_back(static_cast<std::uint8_t>((p[c] + p[c + 3] + p[c + stride] + p[c + stride + 3] + 2) / 4));
      }
    }
    image = std::move(half);
    box = {0, 0, image.height, image.width};
  }
  std::vector<float> pixels(static_cast<std::size_t>(thumb) * static_cast<std::size_t>(thumb) * 3);
  resize_bilinear(image, box, thumb, thumb, false, pixels.data());
  Image result{thumb, thumb, std::vector<std::uint8_t>(pixels.size())};
  std::transform(pixels.begin(), pixels.end(), result.rgb.begin(),
                 [](float value) { return static_cast<std::uint8_t>(std::lround(value)); });
  return result;
}

void paste(Image& sheet, const Image& image, int x, int y) {
  const auto row_bytes = static_cast<std::size_t>(image.width) * 3;
  for (int row = 0; row < image.height; ++row) {
    std::memcpy(sheet.rgb.data() + (static_cast<std::size_t>(y + row) * static_cast<std::size_t>(sheet.width) +
                                    static_cast<std::size_t>(x)) *
                                       3,
                image.rgb.data() + static_cast<std::size_t>(row) * row_bytes, row_bytes);
  }
}

struct Cell {
  int sample, column;
};

}  // namespace

Image contact_sheet(const Dataset& dataset, int per_class, int thumb) {
  const int rows = dataset.class_count();
  const int text_scale = thumb >= 128 ? 2 : 1;
  const int label_height = font_height * text_scale + gap;
  const auto width = (std::int64_t{thumb} + gap) * per_class + gap;
  const auto height = (std::int64_t{thumb} + gap + label_height) * rows + gap;
  if (per_class < 1 || thumb < 1 || width > max_image_side || height > max_image_side ||
      width * height > max_image_pixels) {
    fail(ErrorKind::usage,
         "[contact sheet] {} photos a class of {} pixels make no sheet of 1 to {} pixels a side; choose others",
         per_class, thumb, max_image_side);
  }
  std::vector<Cell> cells;
  std::vector<int> used(static_cast<std::size_t>(rows), 0);
  for (int i = 0; i < dataset.size(); ++i) {
    int& column = used[static_cast<std::size_t>(dataset.samples()[static_cast<std::size_t>(i)].label)];
    if (column < per_class) cells.push_back({i, column++});
  }

  Image sheet{static_cast<int>(width), static_cast<int>(height), {}};
  sheet.rgb.resize(static_cast<std::size_t>(width * height) * 3);
  const auto top_of = [&](int row) { return gap + row * (thumb + gap + label_height); };
  parallel_for(static_cast<int>(cells.size()), 0, [&](int i) {
    const Cell cell = cells[static_cast<std::size_t>(i)];
    const int row = dataset.samples()[static_cast<std::size_t>(cell.sample)].label;
    try {
      paste(sheet, square_thumbnail(dataset.load(cell.sample), thumb), gap + cell.column * (thumb + gap),
            top_of(row) + label_height);
    } catch (const Error&) {
      // A bad photo leaves its cell black: the sheet is there to look at the data, whatever its state.
    }
  });
  for (int row = 0; row < rows; ++row)
    draw_text(sheet, gap, top_of(row), text_scale, dataset.class_names()[static_cast<std::size_t>(row)]);
  return sheet;
}

}  // namespace thaw
