#include "framework/prefix_store.h"

#include <algorithm>

namespace thaw {

std::shared_ptr<PrefixCache> PrefixStore::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = caches_.find(key);
  return found == caches_.end() ? nullptr : found->second;
}

std::shared_ptr<PrefixCache> PrefixStore::open(const std::string& key, std::int64_t images, const Shape& row_shape,
                                               Dtype dtype) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<PrefixCache>& cache = caches_[key];
  if (cache != nullptr) return cache;
  PrefixCacheOptions options = options_;
  options.memory_limit -= std::min(options.memory_limit, memory_used());
  try {
    cache = std::make_shared<PrefixCache>(options, key, images, row_shape, dtype);
  } catch (...) {
    caches_.erase(key);
    throw;
  }
  return cache;
}

void PrefixStore::drop(const std::set<std::string>& keys) {
  const std::lock_guard lock(mutex_);
  for (const std::string& key : keys) {
    const auto found = caches_.find(key);
    if (found == caches_.end()) continue;
    found->second->remove_file();
    caches_.erase(found);
  }
}

void PrefixStore::drop_all() {
  std::set<std::string> keys;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, cache] : caches_) keys.insert(key);
  }
  drop(keys);
}

std::size_t PrefixStore::memory_used() const {
  std::size_t bytes = 0;
  for (const auto& [key, cache] : caches_) {
    if (cache != nullptr && !cache->on_disk()) bytes += cache->bytes();
  }
  return bytes;
}

std::size_t PrefixStore::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return memory_used();
}

std::size_t PrefixStore::count() const {
  const std::lock_guard lock(mutex_);
  return caches_.size();
}

}  // namespace thaw
