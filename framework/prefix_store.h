#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "framework/prefix_cache.h"

namespace thaw {

/// The prefix caches of one process by their keys, so that trainings with the same frozen part share one, and one with
/// a deeper cut starts from the activations of a shallower one. In memory together up to the limit, the rest in files,
/// which stay for later processes unless they are dropped. Thread-safe.
class PrefixStore {
 public:
  explicit PrefixStore(PrefixCacheOptions options) : options_(std::move(options)) {}
  PrefixStore(const PrefixStore&) = delete;
  PrefixStore& operator=(const PrefixStore&) = delete;

  /// The cache of this key, or null.
  [[nodiscard]] std::shared_ptr<PrefixCache> find(const std::string& key) const;
  /// The cache of this key, made where there is none; the other arguments as `PrefixCache`'s. Throws `Error` as that.
  std::shared_ptr<PrefixCache> open(const std::string& key, std::int64_t images, const Shape& row_shape, Dtype dtype);
  /// Gives these caches up, their files included. Whoever uses one keeps it until it is done.
  void drop(const std::set<std::string>& keys);
  void drop_all();

  [[nodiscard]] std::size_t memory_bytes() const;
  [[nodiscard]] std::size_t count() const;

 private:
  [[nodiscard]] std::size_t memory_used() const;

  PrefixCacheOptions options_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<PrefixCache>> caches_;
};

}  // namespace thaw
