#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <thread>

#include "data/parallel.h"
#include "kernels/error.h"

namespace thaw {

/// Without prefetch, a batch is prepared where it is asked for. Else workers claim single photos in order, within a
/// window of batches that moves on as batches are taken. A batch has a slot of a ring from its first claimed photo
/// until it is taken.
class BatchLoader::Pipeline {
 public:
  Pipeline(ImageStore& store, std::vector<int> order, const LoaderOptions& options)
      : store_(store),
        order_(std::move(order)),
        options_(options),
        batches_((order_.size() + batch_size() - 1) / batch_size()),
        slots_(static_cast<std::size_t>(options.prefetch) + 1),
        limit_(static_cast<std::size_t>(options.prefetch)) {
    if (options.prefetch == 0) return;
    const auto threads = std::min(static_cast<std::size_t>(thread_count(options.threads)), order_.size());
    for (std::size_t t = 0; t < threads; ++t) workers_.emplace_back([this] { work(); });
  }

  ~Pipeline() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_available_.notify_all();
  }  // the jthreads join first: they are the last member

  bool next(Batch& batch) {
    if (taken_ == batches_) return false;
    if (options_.prefetch == 0) {
      decode_here(batch);
    } else {
      take_prepared(batch);
    }
    return true;
  }

  [[nodiscard]] std::size_t batches() const { return batches_; }

 private:
  struct Slot {
    Batch batch;
    std::size_t batch_index = 0;
    std::size_t missing = 0;  ///< photos not there yet
    std::size_t error_item = 0;
    std::exception_ptr error;  ///< of the first bad photo in order, whichever thread met it
  };

  void decode_here(Batch& batch) {
    begin(batch, taken_);
    parallel_for(batch.n, options_.threads, [&](int i) { fill(batch, static_cast<std::size_t>(i)); });
    ++taken_;
  }

  void take_prepared(Batch& batch) {
    std::unique_lock lock(mutex_);
    Slot& slot = slots_[taken_ % slots_.size()];
    batch_ready_.wait(
        lock, [&] { return claimed_ > taken_ * batch_size() && slot.batch_index == taken_ && slot.missing == 0; });
    if (slot.error) std::rethrow_exception(slot.error);
    std::swap(batch, slot.batch);
    ++taken_;
    limit_ = taken_ + static_cast<std::size_t>(options_.prefetch);
    work_available_.notify_all();
  }

  [[nodiscard]] std::size_t batch_size() const { return static_cast<std::size_t>(options_.batch); }
  [[nodiscard]] std::size_t photo_floats() const {
    return static_cast<std::size_t>(options_.size) * static_cast<std::size_t>(options_.size) * 3;
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_available_.wait(lock,
                           [&] { return stopping_ || claimed_ == order_.size() || claimed_ / batch_size() < limit_; });
      if (stopping_ || claimed_ == order_.size()) return;
      const std::size_t item = claimed_++;
      const std::size_t index = item / batch_size();
      Slot& slot = slots_[index % slots_.size()];
      if (item % batch_size() == 0) begin(slot, index);
      lock.unlock();
      std::exception_ptr error;
      try {
        fill(slot.batch, item % batch_size());
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && (!slot.error || item < slot.error_item)) {
        slot.error = error;
        slot.error_item = item;
      }
      if (--slot.missing == 0) batch_ready_.notify_one();
    }
  }

  void begin(Slot& slot, std::size_t index) {
    begin(slot.batch, index);
    slot.batch_index = index;
    slot.missing = static_cast<std::size_t>(slot.batch.n);
    slot.error = nullptr;
  }

  void begin(Batch& batch, std::size_t index) const {
    const std::size_t first = index * batch_size();
    const std::size_t n = std::min(batch_size(), order_.size() - first);
    batch.n = static_cast<int>(n);
    batch.height = batch.width = options_.size;
    batch.pixels.resize(n * photo_floats());
    batch.labels.resize(n);
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(first);
    batch.samples.assign(begin, begin + static_cast<std::ptrdiff_t>(n));
  }

  void fill(Batch& batch, std::size_t i) {
    const int sample = batch.samples[i];
    batch.labels[i] = store_.dataset().samples()[static_cast<std::size_t>(sample)].label;
    const std::shared_ptr<const Image> image = store_.get(sample);
    const AugmentChoice choice =
        choose_augmentation(options_.augment, options_.epoch, sample, {.width = image->width, .height = image->height});
    resize_bilinear(*image, choice.box, options_.size, options_.size, choice.flip,
                    batch.pixels.data() + i * photo_floats());
  }

  ImageStore& store_;
  const std::vector<int> order_;
  const LoaderOptions options_;
  const std::size_t batches_;

  std::mutex mutex_;  // guards everything below; a worker fills its photo's part of a slot unlocked
  std::condition_variable work_available_, batch_ready_;
  std::vector<Slot> slots_;
  std::size_t claimed_ = 0;  ///< photos claimed
  std::size_t taken_ = 0;    ///< batches taken
  std::size_t limit_;        ///< batches below this may be worked on
  bool stopping_ = false;
  std::vector<std::jthread> workers_;
};

BatchLoader::BatchLoader(ImageStore& store, std::vector<int> order, const LoaderOptions& options) {
  if (options.batch < 1 || options.size < 1 || options.prefetch < 0 || options.threads < 0) {
    fail(
        ErrorKind::usage,
        "[loader] batch {}, size {}, threads {}, prefetch {}: batch and size must be at least 1, the others at least 0",
        options.batch, options.size, options.threads, options.prefetch);
  }
  const int samples = store.dataset().size();
  for (const int sample : order) {
    if (sample < 0 || sample >= samples)
      fail(ErrorKind::usage, "[loader] sample {} is none of the {} in the data set", sample, samples);
  }
  pipeline_ = std::make_unique<Pipeline>(store, std::move(order), options);
}

BatchLoader::~BatchLoader() = default;

bool BatchLoader::next(Batch& batch) { return pipeline_->next(batch); }

int BatchLoader::batch_count() const { return static_cast<int>(pipeline_->batches()); }

}  // namespace thaw
