// What the emulation promises of itself.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/cuda/device.h"
#include "kernels/cuda/emulation/order.h"

namespace thaw::cuda {

namespace {

__global__ void reverse_blocks(int* values) {
  __shared__ int held[8];
  held[threadIdx.x] = values[blockIdx.x * 8 + threadIdx.x];
  __syncthreads();
  values[blockIdx.x * 8 + threadIdx.x] = held[7 - threadIdx.x];
}

__global__ void wait_in_part() {
  if (threadIdx.x < 3) __syncthreads();
}

__global__ void count_up(unsigned* counter) { atomicAdd(counter, 1); }

// Two faults that a forward run does not show: nothing waits for the number that a neighbour writes, and a block
// overwrites what another one wrote.
__global__ void shift_without_waiting(int* values) {
  __shared__ int held[9];
  if (threadIdx.x == 0) held[0] = 0;
  held[threadIdx.x + 1] = values[threadIdx.x];
  values[threadIdx.x] = held[threadIdx.x];
}

__global__ void write_the_last(unsigned* value) { *value = blockIdx.x; }

}  // namespace

TEST(Emulation, LetsThreadsOfABlockExchangeNumbers) {
  std::vector<int> values(16);
  for (int i = 0; i < 16; ++i) values[static_cast<std::size_t>(i)] = i;
  launch({Stream{}, "reverse", {2, 1, 1}, {8, 1, 1}}, reverse_blocks, values.data());
  EXPECT_EQ(values, (std::vector<int>{7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8}));
}

TEST(Emulation, RunsEveryThreadOfEveryBlockOnce) {
  unsigned counter = 0;
  launch({Stream{}, "count", {3, 5, 2}, {4, 2, 1}}, count_up, &counter);
  EXPECT_EQ(counter, 3U * 5 * 2 * 4 * 2);
}

TEST(Emulation, GivesTheSameBackwardsUnlessThereIsARace) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer would report the races that are meant";
#endif
  const auto reversed = [] {
    std::vector<int> values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    launch({Stream{}, "reverse", {2, 1, 1}, {8, 1, 1}}, reverse_blocks, values.data());
    return values;
  };
  const auto shifted = [](int first) {
    std::vector<int> values = {first, 2, 3};
    launch({Stream{}, "shift", {1, 1, 1}, {3, 1, 1}}, shift_without_waiting, values.data());
    return values;
  };
  const auto last = [] {
    unsigned value = 7;
    launch({Stream{}, "last", {3, 1, 1}, {1, 1, 1}}, write_the_last, &value);
    return value;
  };
  const auto before_reversed = reversed();
  EXPECT_EQ(shifted(1), (std::vector<int>{0, 1, 2})) << "as if there were a barrier";
  EXPECT_EQ(last(), 2U);
  const emulation::Backwards backwards;
  EXPECT_EQ(reversed(), before_reversed);
  EXPECT_NE(shifted(9), (std::vector<int>{0, 9, 2})) << "what a block found in shared memory came from the run before";
  EXPECT_EQ(last(), 0U);
}

TEST(EmulationDeathTest, EndsWhereABarrierIsNotReachedByAll) {
  EXPECT_DEATH(launch({Stream{}, "partial", {1, 1, 1}, {8, 1, 1}}, wait_in_part),
               "kernel 'partial'.*barrier which others never reach");
}

}  // namespace thaw::cuda
