#include "app/device_photos.h"

#include <algorithm>

#include "data/parallel.h"
#include "kernels/error.h"

namespace thaw {

namespace {

constexpr std::size_t kSlab = std::size_t{64} << 20;

Tensor bytes_on(const std::shared_ptr<Backend>& backend, std::size_t bytes) {
  return Tensor::empty(backend, {static_cast<std::int64_t>(bytes)}, Dtype::u8);
}

}  // namespace

DevicePhotos::DevicePhotos(std::shared_ptr<Backend> backend, std::size_t memory_limit)
    : backend_(std::move(backend)), limit_(memory_limit) {}

std::size_t DevicePhotos::bytes_kept() const {
  const std::lock_guard lock(mutex_);
  return kept_;
}

Tensor DevicePhotos::pixels(ImageStore& store, std::span<const int> samples, const LoaderOptions& options) {
  const std::lock_guard lock(mutex_);
  places_.resize(static_cast<std::size_t>(store.dataset().size()));
  // Released behind the call that reads them, which is early enough in the device's order.
  const std::map<int, Passing> passing = send_missing(store, samples, options.threads);
  std::vector<PhotoCrop> crops;
  for (const int sample : samples) {
    const auto found = passing.find(sample);
    const Place& place = found != passing.end() ? found->second.place : places_[static_cast<std::size_t>(sample)];
    const auto [box, flip] =
        choose_augmentation(options.augment, options.epoch, sample, {.width = place.width, .height = place.height});
    crops.push_back({.photo = place.at,
                     .height = place.height,
                     .width = place.width,
                     .y = box.y,
                     .x = box.x,
                     .box_height = box.height,
                     .box_width = box.width,
                     .flip = flip});
  }
  const Tensor out =
      Tensor::empty(backend_, {static_cast<std::int64_t>(samples.size()), options.size, options.size, 3}, Dtype::f32);
  backend_->resize_photos(options.size, crops, out.data_as<float>());
  return out;
}

std::map<int, DevicePhotos::Passing> DevicePhotos::send_missing(ImageStore& store, std::span<const int> samples,
                                                                int threads) {
  std::vector<int> missing;
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(missing),
               [this](int sample) { return places_[static_cast<std::size_t>(sample)].at == nullptr; });
  std::vector<std::shared_ptr<const Image>> decoded(missing.size());
  parallel_for(static_cast<int>(missing.size()), threads, [&](int i) {
    const auto index = static_cast<std::size_t>(i);
    decoded[index] = store.get(missing[index]);
  });
  std::map<int, Passing> passing;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    Place& kept = places_[static_cast<std::size_t>(missing[i])];
    if (kept.at != nullptr || passing.contains(missing[i])) continue;  // twice in one batch
    const Image& image = *decoded[i];
    std::uint8_t* room = room_for(image.rgb.size());
    const Tensor block = room != nullptr ? Tensor() : bytes_on(backend_, image.rgb.size());
    if (room == nullptr) room = block.data_as<std::uint8_t>();
    backend_->upload(room, image.rgb.data(), image.rgb.size());
    const Place place{.at = room, .height = image.height, .width = image.width};
    if (block.defined()) {
      passing[missing[i]] = {.place = place, .block = block};
    } else {
      kept = place;
    }
  }
  return passing;
}

std::uint8_t* DevicePhotos::room_for(std::size_t bytes) {
  if (kept_ + bytes > limit_) return nullptr;
  if (bytes > free_bytes_) {
    if (full_) return nullptr;
    try {
      slabs_.push_back(bytes_on(backend_, std::max(bytes, std::min(kSlab, limit_))));
      free_ = slabs_.back().data_as<std::uint8_t>();
      free_bytes_ = slabs_.back().bytes();
    } catch (const Error&) {  // the device is full: photos are sent each time, only slower
      full_ = true;
      return nullptr;
    }
  }
  std::uint8_t* room = free_;
  free_ += bytes;
  free_bytes_ -= bytes;
  kept_ += bytes;
  return room;
}

std::shared_ptr<DevicePhotos> photos_on(const std::shared_ptr<Backend>& backend) {
  if (!backend->can_resize() || host_can_read(backend)) return nullptr;
  return std::make_shared<DevicePhotos>(backend, backend->info().memory_bytes / 4);
}

}  // namespace thaw
