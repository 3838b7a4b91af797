#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "kernels/backend.h"
#include "microscope/statistics.h"

namespace thaw::microscope {

/// Pushes everything out of a backend's caches: every thread of the processor reads and writes a buffer larger than the
/// last cache; a device copies one half of such a buffer to the other.
class CacheFlush {
 public:
  /// `bytes` 0: half as much again as the processor's last cache, at least 64 MiB; 256 MiB on other devices.
  CacheFlush(Backend& backend, int threads, std::size_t bytes = 0);
  ~CacheFlush();
  CacheFlush(const CacheFlush&) = delete;
  CacheFlush& operator=(const CacheFlush&) = delete;

  void operator()();
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  Backend& backend_;
  int threads_;
  std::size_t bytes_;
  void* block_;
};

/// Seconds of one call.
struct Timing {
  Summary seconds;
  bool settled = false;       ///< the interval is as narrow as asked; else time was up
  int calls_per_sample = 1;   ///< more than one where a call is too short for the clock
  std::size_t throttled = 0;  ///< samples that were dropped, because the device's clocks were held down meanwhile
  std::size_t preempted = 0;  ///< samples, counted all the same, during which a thread was taken off its core

  /// So many samples were dropped that the others may have been disturbed too: more than a third of all.
  [[nodiscard]] bool unsteady() const { return 2 * throttled > seconds.samples; }
};

// Samples taken while the device throttled are dropped, and sampling goes on as the rule says. None may be left.

/// One call a sample, each behind a flush that is not timed.
Timing time_cold(Backend& backend, const std::function<void()>& call, CacheFlush& flush, const StopRule& rule);
/// Calls back to back. A sample is as many as take a tenth of a millisecond, and their mean.
Timing time_hot(Backend& backend, const std::function<void()>& call, const StopRule& rule);

}  // namespace thaw::microscope
