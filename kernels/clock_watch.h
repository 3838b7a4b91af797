#pragma once

#include <cstdint>
#include <memory>

namespace thaw {

class Backend;

/// What happened to a timing sample beside the work that it was to time.
enum class Disturbance : std::uint8_t {
  none,
  throttled,  ///< the device ran slower than it can, to stay cool or within its power: the sample says nothing
  preempted,  ///< a thread was taken off its core for a while
};

/// Watches a device while samples are taken; for one measurement at a time.
class ClockWatch {
 public:
  virtual ~ClockWatch() = default;
  virtual void start() = 0;
  /// What happened since `start`. The work has to be done.
  virtual Disturbance stop() = 0;
};

/// What a backend is, beside a `Backend`, whose device can be watched.
class HasClockWatch {
 public:
  virtual ~HasClockWatch() = default;
  /// Null where the device tells nothing after all.
  virtual std::unique_ptr<ClockWatch> clock_watch() = 0;
};

/// A watch of this backend's device, or null where there is none.
std::unique_ptr<ClockWatch> clock_watch_of(Backend& backend);

}  // namespace thaw
