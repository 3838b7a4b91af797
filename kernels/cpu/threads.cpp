#include "kernels/cpu/threads.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>

#include "kernels/cpu/simd/simd.h"

namespace thaw {

namespace {

// The widest team of the calling thread that already flushes denormals.
thread_local int flushing_threads = 0;

}  // namespace

Threads::Threads(int threads)
    : count_(threads > 0 ? threads : omp_get_num_procs()),
      shards_(static_cast<std::size_t>(std::max(2L, sysconf(_SC_NPROCESSORS_CONF)))) {}

void Threads::enter() const {
  omp_set_num_threads(count_);
  if (flushing_threads >= count_) return;
  // Before the region too: LLVM's OpenMP gives every thread the caller's settings, and the caller its own ones back.
  set_flush_to_zero();
#pragma omp parallel num_threads(count_)
  set_flush_to_zero();
  flushing_threads = count_;
}

SingleThreadScope::SingleThreadScope() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }

SingleThreadScope::~SingleThreadScope() { omp_set_num_threads(before_); }

}  // namespace thaw
