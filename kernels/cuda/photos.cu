#include <algorithm>

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/vectors.h"
#include "kernels/resize.h"

namespace thaw::cuda {

namespace {

constexpr int kCrops = 64;  // of one launch: the table is the kernel's argument

struct CropTable {
  PhotoCrop crops[kCrops];
};

/// A thread for each pixel of an image, a row of blocks for each image.
__global__ void resize_crops(CropTable table, int size, float* pixels) {
  const auto at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (at >= size * size) return;
  const PhotoCrop& crop = table.crops[blockIdx.y];
  const int column = at % size;
  const resize::Tap down = resize::tap(at / size, crop.box_height, size);
  const resize::Tap across = resize::tap(crop.flip ? size - 1 - column : column, crop.box_width, size);
  float* to = pixels + (std::int64_t{blockIdx.y} * size * size + at) * 3;
  for (int channel = 0; channel < 3; ++channel) to[channel] = resize::pixel(crop, down, across, channel);
}

}  // namespace

void resize_photos(Stream stream, int size, std::span<const PhotoCrop> crops, float* pixels) {
  const std::int64_t image = std::int64_t{3} * size * size;
  for (std::size_t done = 0; done < crops.size(); done += kCrops) {
    const auto some = crops.subspan(done, std::min<std::size_t>(kCrops, crops.size() - done));
    CropTable table;
    std::copy(some.begin(), some.end(), table.crops);
    launch({stream,
            "resize_photos",
            {ceil_div(std::int64_t{size} * size, 256), static_cast<unsigned>(some.size()), 1},
            {256, 1, 1}},
           resize_crops, table, size, pixels + static_cast<std::int64_t>(done) * image);
  }
}

}  // namespace thaw::cuda
