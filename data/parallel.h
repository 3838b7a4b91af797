#pragma once

#include <functional>

namespace thaw {

/// `threads` itself when positive, else the number of hardware threads.
int thread_count(int threads);

/// Calls `work(i)` for every i in [0, n) on `threads` threads (0: all), in no order. When some calls throw, the others
/// still run and the exception of the lowest i is thrown, so that the message does not depend on the schedule.
void parallel_for(int n, int threads, const std::function<void(int)>& work);

}  // namespace thaw
