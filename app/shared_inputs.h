#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "app/device_photos.h"
#include "data/loader.h"
#include "framework/prefix_store.h"

namespace thaw {

/// What the trainings of one process have in common: photos are opened, read for their digest and decoded once, frozen
/// prefixes computed once. Thread-safe.
class SharedInputs {
 public:
  /// Keeps `image_cache` bytes of decoded photos a data set.
  SharedInputs(std::size_t image_cache, const PrefixCacheOptions& prefixes);

  /// The data set at `path`, as `Dataset::open` opens it the first time.
  Dataset dataset(const std::string& path, const DatasetOptions& options);
  /// Its decoded photos.
  std::shared_ptr<ImageStore> decoded(const Dataset& dataset);
  /// Those photos on a device that resizes them itself, or null (`photos_on`).
  std::shared_ptr<DevicePhotos> on_device(const Dataset& dataset, const std::shared_ptr<Backend>& backend);
  [[nodiscard]] const std::shared_ptr<PrefixStore>& prefixes() const { return prefixes_; }

 private:
  std::size_t image_cache_;
  std::shared_ptr<PrefixStore> prefixes_;
  std::mutex mutex_;
  std::map<std::pair<std::string, BadImages>, Dataset> datasets_;
  std::map<std::string, std::shared_ptr<ImageStore>> decoded_;  // by the photos' digest
  std::map<std::pair<std::string, std::shared_ptr<Backend>>, std::shared_ptr<DevicePhotos>> on_device_;
};

}  // namespace thaw
