#include "data/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace thaw {

int thread_count(int threads) {
  if (threads > 0) return threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void parallel_for(int n, int threads, const std::function<void(int)>& work) {
  std::atomic<int> next = 0;
  std::mutex mutex;
  std::exception_ptr first_error;
  int first_index = n;
  const auto run = [&] {
    for (int i = next++; i < n; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < first_index) {
          first_index = i;
          first_error = std::current_exception();
        }
      }
    }
  };
  const int team = std::min(thread_count(threads), n);
#ifdef __SANITIZE_THREAD__  // GCC's OpenMP runtime is not instrumented
  {
    std::vector<std::jthread> helpers;
    for (int t = 1; t < team; ++t) helpers.emplace_back(run);
    run();
  }
#else
  // The team that computes. Threads of our own would compete with it: its idle threads spin for some milliseconds, to
  // be there when the next loop begins.
#pragma omp parallel num_threads(std::max(team, 1))
  run();
#endif
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace thaw
