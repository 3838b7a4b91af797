// When a GPU counts as throttled, and what is read of NVML: on a stand-in for the library.
#include "kernels/cuda/gpu_clocks.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"

namespace thaw::cuda {
namespace {

/// A watch of clocks that the test sets.
struct FakeClocks {
  std::optional<ClockReading> now = ClockReading{.sm_mhz = 1000};
  ThrottleWatch watch{[this] { return now; }};

  Disturbance sample(std::optional<ClockReading> begin, std::optional<ClockReading> end) {
    now = begin;
    watch.start();
    now = end;
    return watch.stop();
  }
};

TEST(GpuClocks, AreThrottledByHeatPowerBrakeAndHardware) {
  for (const std::uint64_t reason : {0x08, 0x20, 0x40, 0x80}) {
    FakeClocks clocks;
    EXPECT_EQ(clocks.sample(ClockReading{1000, reason}, ClockReading{1000, 0}), Disturbance::throttled) << reason;
    EXPECT_EQ(clocks.sample(ClockReading{1000, 0}, ClockReading{1000, reason | 1}), Disturbance::throttled) << reason;
    EXPECT_EQ(clocks.sample(ClockReading{1000, 0}, ClockReading{1000, 0}), Disturbance::none) << "it is over";
  }
}

TEST(GpuClocks, AreNotThrottledByIdlingSettingsOrThePowerCap) {
  for (const std::uint64_t reason : {0x01, 0x02, 0x04, 0x10}) {
    FakeClocks clocks;
    EXPECT_EQ(clocks.sample(ClockReading{1000, reason}, ClockReading{1000, reason}), Disturbance::none) << reason;
  }
}

TEST(GpuClocks, AreThrottledATenthBelowTheHighestSeen) {
  FakeClocks clocks;
  EXPECT_EQ(clocks.sample(ClockReading{1200, 0}, ClockReading{2000, 0}), Disturbance::none) << "it warms";
  EXPECT_EQ(clocks.sample(ClockReading{1990, 0}, ClockReading{1810, 0}), Disturbance::none);
  EXPECT_EQ(clocks.sample(ClockReading{1990, 0}, ClockReading{1800, 0}), Disturbance::throttled);
}

TEST(GpuClocks, ThatCannotBeReadSayNothing) {
  FakeClocks clocks;
  EXPECT_EQ(clocks.sample(std::nullopt, std::nullopt), Disturbance::none);
}

TEST(GpuClocks, AreReadThroughNvml) {
  const ReadClocks read = open_gpu_clocks("0000:17:00.0", THAW_FAKE_NVML);
  ASSERT_NE(read, nullptr);
  const std::optional<ClockReading> reading = read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->sm_mhz, 1755U);
  EXPECT_EQ(reading->reasons, 0x24U);
}

TEST(GpuClocks, OfAGpuOrALibraryThatIsNotThereAreNone) {
  EXPECT_EQ(open_gpu_clocks("0000:99:00.0", THAW_FAKE_NVML), nullptr);
  EXPECT_EQ(open_gpu_clocks("0000:17:00.0", "libthaw-no-such-library.so.1"), nullptr);
}

TEST(ClockWatch, IsThereForTheProcessorAndNotForTheOracle) {
  CpuBackend processor;
  ReferenceBackend reference;
  const auto watch = clock_watch_of(processor);
  ASSERT_NE(watch, nullptr);
  EXPECT_EQ(clock_watch_of(reference), nullptr);
  watch->start();
  EXPECT_NE(watch->stop(), Disturbance::throttled);
}

}  // namespace
}  // namespace thaw::cuda
