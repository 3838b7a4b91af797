#pragma once

#include <functional>
#include <string>
#include <vector>

// Runs kernels on the host: blocks one after the other, the threads of a block as fibers that change only where they
// wait for each other. Logic, bounds (AddressSanitizer) and races (ThreadSanitizer knows each fiber as a thread, and
// only barriers as order; what depends on the order of threads or blocks differs from a run backwards, order.h) show
// here; speed does not.

// The names are CUDA's.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
// One block runs at a time, so what a block shares may as well be shared by all.
#define __shared__ static
#define __restrict__ __restrict

struct dim3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

namespace thaw::cuda::emulation {
/// Of the thread that runs now.
const dim3& thread_index();
}  // namespace thaw::cuda::emulation

#define threadIdx (::thaw::cuda::emulation::thread_index())
inline dim3 blockIdx;
inline dim3 blockDim;
inline dim3 gridDim;

/// Waits for every thread of the block. Ends the process with a sentence where some have ended instead.
void __syncthreads();
/// Nothing: blocks run in turn, and the atomics order them.
inline void __threadfence() {}
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}

// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace thaw::cuda {

/// There is one order of work on the host.
struct Stream {};

namespace emulation {

/// While it is not null, the names of the kernels that run are noted there.
inline std::vector<std::string>* launches = nullptr;

/// `body` once for every thread of every block.
void run(const char* name, dim3 grid, dim3 block, const std::function<void()>& body);

/// What the stream gets while it is not null goes there instead of being done.
inline std::vector<std::function<void()>>* recorder = nullptr;

/// Does `work`, now or with each replay.
template <class Work>
void submit(Work&& work) {
  if (recorder != nullptr) {
    recorder->emplace_back(std::forward<Work>(work));
  } else {
    work();
  }
}

}  // namespace emulation

}  // namespace thaw::cuda
