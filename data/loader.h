#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "data/dataset.h"

namespace thaw {

/// The decoded photos of a data set, kept as bytes while they fit. Thread-safe.
class ImageStore {
 public:
  /// Keeps at most `memory_limit_bytes` of pixels; what does not fit is decoded again whenever it is asked for.
  ImageStore(Dataset dataset, std::size_t memory_limit_bytes);

  /// One photo. Throws `Error` (data) naming the path of a bad one.
  [[nodiscard]] std::shared_ptr<const Image> get(int sample);
  /// Decodes these photos in parallel, so that bad ones are known before hours of training; the error is that of the
  /// first bad one in the order given.
  void preload(const std::vector<int>& samples, int threads = 0);

  [[nodiscard]] const Dataset& dataset() const { return dataset_; }
  [[nodiscard]] std::size_t bytes_kept() const;

 private:
  Dataset dataset_;
  std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t kept_ = 0;
  std::vector<std::shared_ptr<const Image>> images_;
};

/// Random changes to training photos, each a function of (seed, epoch, sample index) only: not of the order, the batch
/// or the thread.
struct Augment {
  bool flip = false;  ///< mirror left to right, half of the time
  bool crop = false;  ///< cut out a random box of 87.5 to 100 % of the area, of the photo's aspect ratio, then resize
  std::uint64_t seed = 0;
  [[nodiscard]] bool any() const { return flip || crop; }
};

/// What one photo goes through in one epoch.
struct AugmentChoice {
  PixelBox box;
  bool flip = false;
};
AugmentChoice choose_augmentation(const Augment& augment, int epoch, int sample, ImageSize image);

/// Photos as a network takes them.
struct Batch {
  int n = 0, height = 0, width = 0;
  std::vector<float> pixels;         ///< (N,H,W,C), RGB, 0..255, not rounded
  std::vector<std::int32_t> labels;  ///< (N)
  std::vector<int> samples;          ///< (N), indices into the data set
};

struct LoaderOptions {
  int batch = 32;
  int size = 224;   ///< height and width
  int threads = 0;  ///< that decode and resize; 0: all
  Augment augment = {};
  int epoch = 0;     ///< for the augmentation
  int prefetch = 2;  ///< batches that threads of the loader prepare ahead of the one in use; 0: `next` prepares its own
};

/// Walks through samples in the given order, a batch at a time, the last one possibly smaller. What it delivers does
/// not depend on the number of threads or on how far they work ahead.
class BatchLoader {
 public:
  /// Throws `Error` (usage) for a batch, size or prefetch that makes no sense. `store` must outlive the loader.
  BatchLoader(ImageStore& store, std::vector<int> order, const LoaderOptions& options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// Swaps the next batch into `batch` (whose buffers are used again) and returns true, or returns false at the end.
  /// Throws `Error` (data) naming the first bad photo of the batch, now and on every later call.
  bool next(Batch& batch);
  [[nodiscard]] int batch_count() const;

 private:
  class Pipeline;
  std::unique_ptr<Pipeline> pipeline_;
};

/// The order of one epoch: a Fisher-Yates shuffle by `counter_random`, the same on every platform.
std::vector<int> shuffled(std::vector<int> order, std::uint64_t seed, int epoch);

}  // namespace thaw
