#include "kernels/cuda/timing.h"

#include <algorithm>
#include <limits>

namespace thaw::cuda {

double best_seconds(Gpu& gpu, const std::function<void()>& work) {
  constexpr int warm_ups = 2;
  constexpr int runs = 5;
  const auto stopwatch = gpu.stopwatch();
  double best = std::numeric_limits<double>::max();
  for (int run = -warm_ups; run < runs; ++run) {
    stopwatch->start();
    work();
    const double seconds = stopwatch->stop();
    if (run >= 0) best = std::min(best, seconds);
  }
  return best;
}

}  // namespace thaw::cuda
