#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "app/device_photos.h"
#include "data/loader.h"
#include "framework/trainer.h"

namespace thaw {

struct ImageOptions {
  int size = 224;
  int threads = 0;
  Augment augment = {};
  std::shared_ptr<DevicePhotos> on_device = {};  ///< where photos are kept and resized, unless on the host
};

/// The photos of a data set as the trainer takes them.
class DatasetImages final : public ImageSource {
 public:
  /// `decoded` are photos that others use too; left out, the object has its own and keeps none of them at first.
  DatasetImages(Dataset dataset, const ImageOptions& options, std::shared_ptr<ImageStore> decoded = nullptr);

  std::unique_ptr<BatchStream> stream(std::vector<int> images, int batch, int epoch, bool augment) override;
  [[nodiscard]] std::int32_t label(int image) const override;
  [[nodiscard]] int image_count() const override { return dataset_.size(); }
  [[nodiscard]] bool augments() const override { return options_.augment.any(); }
  [[nodiscard]] std::string digest() const override;
  [[nodiscard]] std::vector<int> shuffled(const std::vector<int>& images, std::uint64_t seed, int epoch) const override;

  /// Decodes every one of these photos, so that bad ones are known before hours of training; `go_on` hears how many are
  /// done and may end it. Returns whether it got to the end. Throws `Error` (data) naming the first bad photo.
  bool check(const std::vector<int>& images, const std::function<bool(std::int64_t)>& go_on);
  /// How many bytes of decoded photos are kept from now on, in a store of its own.
  void keep_decoded(std::size_t bytes);
  [[nodiscard]] const Dataset& dataset() const { return dataset_; }

 private:
  Dataset dataset_;
  ImageOptions options_;
  std::shared_ptr<ImageStore> store_;
};

/// Puts these files into `batch` as pixels, resized to size x size, in their order, without labels; its memory is used
/// again. Throws `Error` (data) naming the first bad file.
void read_photos(std::span<const std::filesystem::path> files, int size, int threads, HostBatch& batch);

}  // namespace thaw
