// What becomes of samples that a device's watch objects to. Times come from a clock of the test's own.
#include "microscope/timing.h"

#include <gmock/gmock.h>

#include <deque>

#include "kernels/clock_watch.h"
#include "kernels/cpu/cpu_backend.h"
#include "microscope/row.h"

namespace thaw::microscope {
namespace {

using ::testing::HasSubstr;

/// Every sample takes one second, a throttled one nine; what happens to samples is told beforehand, and repeated.
class WatchedBackend : public CpuBackend {
 public:
  std::vector<Disturbance> fate = {Disturbance::none};

  std::unique_ptr<Stopwatch> stopwatch() override { return std::make_unique<Watch>(*this); }
  std::unique_ptr<ClockWatch> clock_watch() override { return std::make_unique<Clocks>(*this); }

 private:
  struct Watch : Stopwatch {
    explicit Watch(WatchedBackend& owner) : backend(owner) {}
    void start() override {}
    double stop() override { return backend.now() == Disturbance::throttled ? 9 : 1; }
    WatchedBackend& backend;
  };
  struct Clocks : ClockWatch {
    explicit Clocks(WatchedBackend& owner) : backend(owner) {}
    void start() override {}
    Disturbance stop() override {
      const Disturbance now = backend.now();
      ++backend.taken_;
      return now;
    }
    WatchedBackend& backend;
  };
  [[nodiscard]] Disturbance now() const { return fate[taken_ % fate.size()]; }
  std::size_t taken_ = 0;
};

constexpr StopRule kRule = {.precision = 1e-9, .limit = 0.02, .most = 100};

Timing cold(WatchedBackend& backend) {
  CacheFlush flush(backend, 1, 4096);
  return time_cold(
      backend, [] {}, flush, kRule);
}

TEST(Timing, DropsThrottledSamplesAndCountsThem) {
  WatchedBackend backend;
  backend.fate = {Disturbance::none, Disturbance::none, Disturbance::throttled, Disturbance::none, Disturbance::none};
  const Timing timing = cold(backend);
  EXPECT_EQ(timing.seconds.median, 1);
  EXPECT_EQ(timing.seconds.interval->high, 1) << "no sample of nine seconds is among them";
  EXPECT_EQ(timing.throttled, 1U) << "of seven, when six count and agree";
  EXPECT_FALSE(timing.unsteady());
}

TEST(Timing, IsUnsteadyWhereMoreThanAThirdWasDropped) {
  WatchedBackend backend;
  backend.fate = {Disturbance::none, Disturbance::throttled};
  const Timing timing = cold(backend);
  EXPECT_TRUE(timing.unsteady());
  EXPECT_EQ(timing.seconds.samples, 6U);
}

TEST(Timing, CountsPreemptedSamplesAndKeepsThem) {
  WatchedBackend backend;
  backend.fate = {Disturbance::preempted};
  const Timing timing = cold(backend);
  EXPECT_EQ(timing.preempted, timing.seconds.samples);
  EXPECT_EQ(timing.throttled, 0U);
}

TEST(Timing, EndsThoughEverySampleIsDropped) {
  WatchedBackend backend;
  backend.fate = {Disturbance::throttled};
  const Timing timing = cold(backend);
  EXPECT_EQ(timing.seconds.samples, 0U);
  EXPECT_GT(timing.throttled, 0U);
}

TEST(Timing, OfADeviceThatThrottlesAllTheTimeIsTheRowsError) {
  WatchedBackend backend;
  backend.fate = {Disturbance::throttled};
  CacheFlush flush(backend, 1, 4096);
  const Row row =
      measure(backend, {.family = "adam", .problem = "5", .direction = "update"}, flush, {.rule = {.limit = 0.01}});
  EXPECT_FALSE(row.cold || row.hot);
  EXPECT_THAT(row.error, HasSubstr("while the device throttled its clocks"));
  EXPECT_EQ(row.error_kind, ErrorKind::device);
}

}  // namespace
}  // namespace thaw::microscope
