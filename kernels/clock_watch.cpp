#include "kernels/clock_watch.h"

#include "kernels/backend.h"

namespace thaw {

std::unique_ptr<ClockWatch> clock_watch_of(Backend& backend) {
  auto* const watched = dynamic_cast<HasClockWatch*>(&backend);
  return watched == nullptr ? nullptr : watched->clock_watch();
}

}  // namespace thaw
