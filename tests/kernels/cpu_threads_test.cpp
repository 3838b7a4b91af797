#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "kernels/cpu/threads.h"
#include "tests/kernels/cpu_support.h"

namespace thaw {
namespace {

using testing::Buffer;
using testing::ConvBuffers;
using testing::cpu_dtypes;
using testing::network_convs;

TEST(Threads, RunsEveryPieceOnceAndHandsOnTheFirstException) {
  const Threads threads(2);
  std::atomic<int> sum = 0;
  threads.for_each(10, [&sum](std::size_t i) { sum += static_cast<int>(i); });
  EXPECT_EQ(sum, 45);
  EXPECT_THROW(threads.for_each(4,
                                [](std::size_t i) {
                                  if (i == 3) throw std::runtime_error("third");
                                }),
               std::runtime_error);
}

TEST(Threads, CutsWorkIndependentlyOfTheirNumber) {
  EXPECT_EQ(Threads(1).shards(), Threads(2).shards());
  EXPECT_EQ(Threads(1).shards(), Threads(7).shards());
}

struct Case {
  std::string network;
  int batch;
};

class ThreadCount : public ::testing::TestWithParam<Case> {};

/// Outputs of every direction for one problem: with 1, 2 and 3 threads they must be the same to the last bit.
void expect_same_bits(const ConvProblem& problem, CpuBackend& one, const std::vector<CpuBackend*>& others) {
  const ConvBuffers expected(one, problem);
  expected.x.fill_uniform(problem.dtype, 1);
  expected.w.fill_uniform(Dtype::f32, 2);
  expected.bias.fill_uniform(Dtype::f32, 3);
  expected.dy.fill_uniform(problem.dtype, 4);
  expected.run_all(one, problem);
  for (CpuBackend* other : others) {
    const Buffer y(*other, ConvBuffers::bytes(problem.output_size(), problem.dtype));
    const Buffer dx(*other, ConvBuffers::bytes(problem.input_size(), problem.dtype));
    const Buffer dw(*other, ConvBuffers::bytes(problem.filter_size(), Dtype::f32));
    const Buffer dbias(*other, ConvBuffers::bytes(problem.k, Dtype::f32));
    ConvForward args = expected.args(problem);
    args.y = y.data();
    other->conv_forward(problem, args);
    other->conv_backward_data(problem, args.w, expected.dy.data(), dx.data());
    other->conv_backward_filter(problem, args.x, expected.dy.data(), dw.data(), dbias.data());
    const int threads = other->info().threads;
    EXPECT_TRUE(y.same_bits(expected.y)) << "forward " << problem.text() << " with " << threads << " threads";
    EXPECT_TRUE(dx.same_bits(expected.dx)) << "data " << problem.text() << " with " << threads << " threads";
    EXPECT_TRUE(dw.same_bits(expected.dw)) << "filter " << problem.text() << " with " << threads << " threads";
    EXPECT_TRUE(dbias.same_bits(expected.dbias)) << "bias " << problem.text() << " with " << threads << " threads";
  }
}

TEST_P(ThreadCount, DoesNotChangeOneBitOfAnyConvolution) {
  CpuBackend one({.threads = 1});
  CpuBackend two({.threads = 2});
  CpuBackend three({.threads = 3});
  for (const Dtype dtype : cpu_dtypes()) {
    for (const ConvProblem& problem : network_convs(GetParam().network, GetParam().batch, dtype)) {
      // More threads than processors take long, so one case must do.
      if (GetParam().batch == 6 && GetParam().network == "mobilenet_v3_small") {
        expect_same_bits(problem, one, {&two, &three});
      } else {
        expect_same_bits(problem, one, {&two});
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Networks, ThreadCount,
    ::testing::Values(Case{"resnet50", 32}, Case{"resnet50", 15}, Case{"resnet50", 6}, Case{"resnet50", 1},
                      Case{"mobilenet_v3_large", 32}, Case{"mobilenet_v3_large", 15}, Case{"mobilenet_v3_large", 6},
                      Case{"mobilenet_v3_large", 1}, Case{"mobilenet_v3_small", 32}, Case{"mobilenet_v3_small", 15},
                      Case{"mobilenet_v3_small", 6}, Case{"mobilenet_v3_small", 1}),
    [](const auto& test) { return test.param.network + "_batch_" + std::to_string(test.param.batch); });

}  // namespace
}  // namespace thaw
