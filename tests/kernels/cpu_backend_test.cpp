#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"
#include "tests/kernels/cpu_support.h"

namespace thaw {
namespace {

using testing::Buffer;
using testing::ConvBuffers;
using testing::cpu_dtypes;
using testing::network_convs;

/// Every route through the backend: row products, windows, strides, groups, one image, few rows, odd channels.
std::vector<ConvProblem> routes(Dtype dtype) {
  std::vector<ConvProblem> problems;
  for (const char* text : {"n3c64h9w7_k48r1s1",        "n1c40h14w14_k120r1s1",       "n5c24h1w1_k72r1s1",
                           "n1c16h1w1_k8r1s1",         "n2c320h5w5_k256r1s1",        "n33c64h6w6_k64r1s1",
                           "n2c32h9w9_k16r1s1u2",      "n3c32h8w8_k80r1s1u2",        "n2c16h9w8_k8r1s1u3",
                           "n2c24h8w8_k16r1s1p1",      "n3c16h9w9_k32r3s3p1",        "n1c32h14w14_k16r3s3p1",
                           "n2c16h8w8_k16r3s3",        "n2c8h8w8_k16r3s3u2p0.1.0.1", "n4c3h16w16_k16r3s3u2p0.1.0.1",
                           "n1c3h30w30_k64r7s7u2p3",   "n2c20h7w7_k12r5s5p2",        "n2c8h6w6_k8r3s3p3",
                           "n2c32h9w9_k64r3s3g2p1",    "n1c24h6w6_k24r1s1g3",        "n2c16h9w9_k16r3s3g16u2p1",
                           "n2c8h4w4_k16r3s3g8p1",     "n2c1h6w6_k1r3s3p1",          "n2c1h6w6_k4r3s3p1",
                           "n2c16h6w7_k16r2s4p0.1.1.2"}) {
    ConvProblem problem = ConvProblem::parse(text);
    problem.dtype = dtype;
    problem.bias = true;
    problems.push_back(problem);
  }
  return problems;
}

/// Whole numbers small enough that every sum is exact in f32: both backends must agree to the last bit. The name of
/// what differs, or nothing.
std::string difference_to_reference(CpuBackend& cpu, const ConvProblem& problem) {
  ReferenceBackend reference;
  const ConvBuffers expected(reference, problem);
  const ConvBuffers found(cpu, problem);
  expected.fill_whole(problem, 3);
  found.fill_whole(problem, 3);
  expected.run_all(reference, problem);
  found.run_all(cpu, problem);
  // In bf16 these may run after Winograd with 4x4 outputs a tile, which is not exact on whole numbers.
  const bool rounded = problem.dtype == Dtype::bf16 && problem.r == 3 && problem.s == 3 && problem.stride == 1 &&
                       problem.groups == 1 && problem.c % 16 == 0;
  const auto same = [rounded](const Buffer& a, const Buffer& b, Dtype dtype) {
    const auto found_values = a.values(dtype);
    const auto wanted = b.values(dtype);
    return std::equal(found_values.begin(), found_values.end(), wanted.begin(), wanted.end(), [&](auto x, auto y) {
      return x == y || (rounded && std::abs(x - y) <= 1e-3 + std::abs(y) / 128);
    });
  };
  std::string differs;
  if (!same(found.y, expected.y, problem.dtype)) differs += " y";
  if (!same(found.dx, expected.dx, problem.dtype)) differs += " dx";
  if (!same(found.dw, expected.dw, Dtype::f32)) differs += " dw";
  if (!same(found.dbias, expected.dbias, Dtype::f32)) differs += " dbias";
  return differs;
}

TEST(CpuConv, IsExactOnWholeNumbersOnEveryRoute) {
  CpuBackend cpu({.poison = true});
  for (const Dtype dtype : cpu_dtypes()) {
    for (ConvProblem problem : routes(dtype)) {
      EXPECT_EQ(difference_to_reference(cpu, problem), "") << problem.text();
      problem.residual = true;
      problem.act = Act::relu;
      EXPECT_EQ(difference_to_reference(cpu, problem), "") << problem.text();
    }
  }
}

TEST(CpuConv, IsExactOnWholeNumbersForTheNetworksAtOneImage) {
  CpuBackend cpu({.poison = true});
  for (const char* network : {"mobilenet_v3_small", "resnet50"}) {
    for (const ConvProblem& problem : network_convs(network, 1, Dtype::f32)) {
      if (problem.flops() > 3e8) continue;  // the oracle is slow
      EXPECT_EQ(difference_to_reference(cpu, problem), "") << problem.text();
    }
  }
}

TEST(CpuConv, FusesEveryActivationWithItsResidual) {
  CpuBackend cpu;
  ReferenceBackend reference;
  for (const Dtype dtype : cpu_dtypes()) {
    for (const Act act : {Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid}) {
      for (const char* text : {"n3c24h9w7_k40r1s1", "n3c24h9w7_k40r3s3p1"}) {
        ConvProblem problem = ConvProblem::parse(text);
        problem.bias = problem.residual = true;
        problem.act = act;
        problem.dtype = dtype;
        const ConvBuffers expected(reference, problem);
        const ConvBuffers found(cpu, problem);
        expected.fill_whole(problem, 1);
        found.fill_whole(problem, 1);
        reference.conv_forward(problem, expected.args(problem));
        cpu.conv_forward(problem, found.args(problem));
        // Two roundings to bf16 where the activation is a step of its own.
        const double rounding = dtype == Dtype::bf16 ? 0x1p-7 : 1e-6;
        const auto y = found.y.values(dtype);
        const auto want = expected.y.values(dtype);
        for (std::size_t i = 0; i < y.size(); ++i) {
          ASSERT_NEAR(y[i], want[i], rounding * (1 + std::abs(want[i]))) << problem.text() << " element " << i;
        }
      }
    }
  }
}

TEST(CpuConv, LetsANanPassEveryActivation) {
  CpuBackend cpu;
  for (const Dtype dtype : cpu_dtypes()) {
    for (const Act act : {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid}) {
      for (const char* text : {"n2c16h6w6_k16r1s1", "n2c16h6w6_k16r3s3p1"}) {
        ConvProblem problem = ConvProblem::parse(text);
        problem.act = act;
        problem.dtype = dtype;
        const ConvBuffers buffers(cpu, problem);
        buffers.fill_whole(problem, 1);
        buffers.x.set(dtype, 0, std::numeric_limits<double>::quiet_NaN());
        cpu.conv_forward(problem, buffers.args(problem));
        EXPECT_TRUE(std::isnan(buffers.y.values(dtype)[0])) << problem.text();
        EXPECT_FALSE(std::isnan(buffers.y.values(dtype).back())) << problem.text();
      }
    }
  }
}

TEST(CpuConv, GivesTheSameBitsPackedForWhateverBatch) {
  CpuBackend cpu;
  for (const Dtype dtype : cpu_dtypes()) {
    for (ConvProblem problem : routes(dtype)) {
      ConvProblem packing = problem;
      packing.n = 32;
      const ConvBuffers first(cpu, packing);
      first.fill_whole(packing, 3);
      first.w.fill_uniform(Dtype::f32, 9);
      const auto packed = cpu.pack_conv(packing, first.w.data(), first.bias.data());
      for (const int n : {32, problem.n, 15, 1}) {
        problem.n = n;
        const ConvBuffers buffers(cpu, problem);
        buffers.x.fill_uniform(dtype, 8);
        ConvForward args = buffers.args(problem);
        args.w = first.w.data();
        args.bias = first.bias.data();
        cpu.conv_forward(problem, args);
        const Buffer y(cpu, ConvBuffers::bytes(problem.output_size(), dtype));
        cpu.conv_forward_packed(problem, *packed, {.x = args.x, .y = y.data()});
        EXPECT_TRUE(y.same_bits(buffers.y)) << problem.text();
      }
    }
  }
}

TEST(CpuConv, RefusesAPackedFilterOfAnotherShape) {
  CpuBackend cpu;
  const ConvProblem problem = ConvProblem::parse("n1c16h4w4_k8r1s1");
  const ConvBuffers buffers(cpu, problem);
  const auto packed = cpu.pack_conv(problem, buffers.w.data(), nullptr);
  EXPECT_THROW(cpu.conv_forward_packed(ConvProblem::parse("n1c16h4w4_k16r1s1"), *packed, {}), Error);
}

TEST(CpuBackend, MakesNoPrimitiveAndReservesNothingInAWarmedStep) {
  CpuBackend cpu;
  for (const Dtype dtype : cpu_dtypes()) {
    const auto problems = network_convs("mobilenet_v3_small", 4, dtype);
    const auto step = [&] {
      for (const ConvProblem& problem : problems) {
        const ConvBuffers buffers(cpu, problem);
        buffers.run_all(cpu, problem);
      }
    };
    const std::int64_t before = cpu.stats().primitives_made;
    step();
    const BackendStats warm = cpu.stats();
    EXPECT_GT(warm.primitives_made, before);
    step();
    step();
    EXPECT_EQ(cpu.stats().primitives_made, warm.primitives_made);
    EXPECT_EQ(cpu.stats().reserved_bytes, warm.reserved_bytes);
    EXPECT_EQ(cpu.stats().peak_bytes, warm.peak_bytes);
  }
}

TEST(CpuBackend, KeepsNoScratchAfterACall) {
  CpuBackend cpu;
  const ConvProblem problem = ConvProblem::parse("n4c32h9w9_k32r3s3p1+bias");
  const ConvBuffers buffers(cpu, problem);
  const std::size_t used = cpu.stats().used_bytes;
  buffers.run_all(cpu, problem);
  EXPECT_EQ(cpu.stats().used_bytes, used);
}

TEST(CpuBackend, MayGoBeforeItsPackedFilters) {
  std::shared_ptr<const PackedConv> packed;
  {
    CpuBackend cpu;
    const ConvProblem problem = ConvProblem::parse("n1c16h4w4_k8r3s3p1+bias");
    const ConvBuffers buffers(cpu, problem);
    packed = cpu.pack_conv(problem, buffers.w.data(), buffers.bias.data());
  }
  packed.reset();
}

TEST(CpuBackend, RefusesDoublePrecisionAndNamesTheCall) {
  CpuBackend cpu;
  ConvProblem problem;
  problem.dtype = Dtype::f64;
  EXPECT_FALSE(cpu.supports(problem));
  try {
    cpu.conv_forward(problem, {});
    FAIL() << "f64 was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr("[conv_forward]"), ::testing::HasSubstr("f64")));
  }
}

// oneDNN fixes its instruction set at the first call of a process, so the test starts itself again with a lower limit.
TEST(CpuBackend, ComputesInF32OnAProcessorThatHasOnlyAvx2) {
  if (std::getenv("ONEDNN_MAX_CPU_ISA") == nullptr) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    const std::string command = "ONEDNN_MAX_CPU_ISA=AVX2 THAW_SIMD=baseline '" + self +
                                "' --gtest_filter=CpuBackend.ComputesInF32OnAProcessorThatHasOnlyAvx2 > /dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << "run it again with: " << command;
    return;
  }
  CpuBackend cpu;
  EXPECT_FALSE(cpu.supports(Dtype::bf16));
  EXPECT_EQ(cpu.info().best_dtype, Dtype::f32);
  for (const ConvProblem& problem : routes(Dtype::f32)) {
    EXPECT_EQ(difference_to_reference(cpu, problem), "") << problem.text();
  }
}

}  // namespace
}  // namespace thaw
