#pragma once

#include "kernels/clock_watch.h"

namespace thaw {

/// Whether a thread of this process was taken off its core: what the system counts as involuntary switches. Clocks of
/// processors are not known.
class PreemptionWatch : public ClockWatch {
 public:
  void start() override { before_ = switches(); }
  Disturbance stop() override { return switches() == before_ ? Disturbance::none : Disturbance::preempted; }

 private:
  static long switches();
  long before_ = 0;
};

}  // namespace thaw
