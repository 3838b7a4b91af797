#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "data/loader.h"
#include "framework/tensor.h"

namespace thaw {

/// The decoded photos of a data set on a device that resizes them itself: each is sent once and stays while there is
/// room, so that an epoch sends nothing but which box of which photo it wants. Pixels are those of the host's loader,
/// bit for bit. Thread-safe.
class DevicePhotos {
 public:
  /// Keeps at most `memory_limit` bytes of photos; the others are sent whenever they are asked for.
  DevicePhotos(std::shared_ptr<Backend> backend, std::size_t memory_limit);

  /// These photos of `store`, decoded on `options.threads` threads where they are not kept yet, as the pixels (n,S,S,3)
  /// that a loader with the same options would deliver. Throws `Error` (data) naming the first bad photo.
  Tensor pixels(ImageStore& store, std::span<const int> samples, const LoaderOptions& options);
  [[nodiscard]] std::size_t bytes_kept() const;

 private:
  struct Place {
    const std::uint8_t* at = nullptr;
    int height = 0, width = 0;
  };

  /// A photo that there is no room for, while a batch is made.
  struct Passing {
    Place place = {};
    Tensor block = {};
  };

  /// Puts what is not kept yet on the device; returns what cannot stay.
  std::map<int, Passing> send_missing(ImageStore& store, std::span<const int> samples, int threads);
  /// Null where nothing more may be kept.
  std::uint8_t* room_for(std::size_t bytes);

  std::shared_ptr<Backend> backend_;
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t kept_ = 0;
  std::vector<Tensor> slabs_;     // photos one behind the other
  std::uint8_t* free_ = nullptr;  // in the last slab
  std::size_t free_bytes_ = 0;
  bool full_ = false;
  std::vector<Place> places_;  // of kept ones, by sample
};

/// The photos' place on `backend`, a quarter of its memory at most, where the host cannot see that memory and it can
/// resize; else null, and the host does it.
std::shared_ptr<DevicePhotos> photos_on(const std::shared_ptr<Backend>& backend);

}  // namespace thaw
