#include <algorithm>
#include <cmath>

#include "data/loader.h"
#include "data/parallel.h"
#include "data/random.h"

namespace thaw {

ImageStore::ImageStore(Dataset dataset, std::size_t memory_limit_bytes)
    : dataset_(std::move(dataset)), limit_(memory_limit_bytes), images_(dataset_.samples().size()) {}

std::shared_ptr<const Image> ImageStore::get(int sample) {
  const auto index = static_cast<std::size_t>(sample);
  {
    const std::lock_guard lock(mutex_);
    if (images_.at(index)) return images_[index];
  }
  auto image = std::make_shared<const Image>(dataset_.load(sample));  // unlocked: other threads decode meanwhile
  const std::lock_guard lock(mutex_);
  if (!images_[index] && kept_ + image->rgb.size() <= limit_) {
    images_[index] = image;
    kept_ += image->rgb.size();
  }
  return image;
}

void ImageStore::preload(const std::vector<int>& samples, int threads) {
  parallel_for(static_cast<int>(samples.size()), threads,
               [&](int i) { static_cast<void>(get(samples[static_cast<std::size_t>(i)])); });
}

std::size_t ImageStore::bytes_kept() const {
  const std::lock_guard lock(mutex_);
  return kept_;
}

AugmentChoice choose_augmentation(const Augment& augment, int epoch, int sample, ImageSize image) {
  AugmentChoice choice{{0, 0, image.height, image.width}, false};
  const std::uint64_t stream = stream_of(RandomStream::augment, static_cast<std::uint32_t>(epoch));
  // Four numbers a sample, always the same ones, so that switching the crop on does not change the flips.
  const auto draw = [&](std::uint64_t k) {
    return counter_random(augment.seed, stream, static_cast<std::uint64_t>(sample) * 4 + k);
  };
  if (augment.flip) choice.flip = (draw(0) >> 63) != 0;
  if (augment.crop) {
    const double side = std::sqrt(0.875 + 0.125 * unit_interval(draw(1)));
    const auto shorten = [side](int length) {
      return std::clamp(static_cast<int>(std::lround(length * side)), 1, length);
    };
    choice.box.height = shorten(image.height);
    choice.box.width = shorten(image.width);
    choice.box.y = static_cast<int>(below(draw(2), static_cast<std::uint32_t>(image.height - choice.box.height + 1)));
    choice.box.x = static_cast<int>(below(draw(3), static_cast<std::uint32_t>(image.width - choice.box.width + 1)));
  }
  return choice;
}

std::vector<int> shuffled(std::vector<int> order, std::uint64_t seed, int epoch) {
  const std::uint64_t stream = stream_of(RandomStream::shuffle, static_cast<std::uint32_t>(epoch));
  for (std::size_t i = order.size(); i > 1; --i) {
    const std::uint32_t j = below(counter_random(seed, stream, i), static_cast<std::uint32_t>(i));
    std::swap(order[i - 1], order[j]);
  }
  return order;
}

}  // namespace thaw
