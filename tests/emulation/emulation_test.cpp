// What the emulation promises of itself.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/cuda/device.h"

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

TEST(EmulationDeathTest, EndsWhereABarrierIsNotReachedByAll) {
  EXPECT_DEATH(launch({Stream{}, "partial", {1, 1, 1}, {8, 1, 1}}, wait_in_part),
               "kernel 'partial'.*barrier which others never reach");
}

}  // namespace thaw::cuda
