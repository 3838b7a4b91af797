#include "app/shared_inputs.h"

namespace thaw {

SharedInputs::SharedInputs(std::size_t image_cache, const PrefixCacheOptions& prefixes)
    : image_cache_(image_cache), prefixes_(std::make_shared<PrefixStore>(prefixes)) {}

Dataset SharedInputs::dataset(const std::string& path, const DatasetOptions& options) {
  const std::lock_guard lock(mutex_);
  const auto key = std::pair(path, options.bad);
  const auto found = datasets_.find(key);
  return found != datasets_.end() ? found->second : datasets_.emplace(key, Dataset::open(path, options)).first->second;
}

std::shared_ptr<ImageStore> SharedInputs::decoded(const Dataset& dataset) {
  const std::string digest = dataset.content_hash();
  const std::lock_guard lock(mutex_);
  std::shared_ptr<ImageStore>& store = decoded_[digest];
  if (store == nullptr) store = std::make_shared<ImageStore>(dataset, image_cache_);
  return store;
}

std::shared_ptr<DevicePhotos> SharedInputs::on_device(const Dataset& dataset, const std::shared_ptr<Backend>& backend) {
  const std::pair key(dataset.content_hash(), backend);
  const std::lock_guard lock(mutex_);
  const auto found = on_device_.find(key);
  return found != on_device_.end() ? found->second : on_device_.emplace(key, photos_on(backend)).first->second;
}

}  // namespace thaw
