#include "microscope/timing.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/clock_watch.h"

namespace thaw::microscope {

namespace {

constexpr double kShortestSample = 1e-4;
constexpr int kMostCalls = 10'000;

std::size_t standard_bytes(bool on_processor) {
  if (!on_processor) return std::size_t{256} << 20;
  const long last = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  const auto known = static_cast<std::size_t>(std::max(last, 0L));
  return std::max(known + known / 2, std::size_t{64} << 20);
}

class Clock {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A backend's stopwatch, and what its device's watch says of the time between start and stop.
class WatchedStopwatch {
 public:
  explicit WatchedStopwatch(Backend& backend) : watch_(backend.stopwatch()), clocks_(clock_watch_of(backend)) {}

  void start() {
    if (clocks_ != nullptr) clocks_->start();
    watch_->start();
  }
  double stop() {
    const double seconds = watch_->stop();
    if (clocks_ != nullptr) disturbance_ = clocks_->stop();
    return seconds;
  }
  [[nodiscard]] Disturbance disturbance() const { return disturbance_; }

 private:
  std::unique_ptr<Stopwatch> watch_;
  std::unique_ptr<ClockWatch> clocks_;
  Disturbance disturbance_ = Disturbance::none;
};

/// Samples until the rule is satisfied.
template <class Sample>
Timing sample_until(const StopRule& rule, const WatchedStopwatch& watch, const Sample& sample) {
  Timing timing;
  Sampling sampling(rule);
  const Clock clock;
  Verdict verdict = Verdict::go_on;
  while (verdict == Verdict::go_on) {
    const double seconds = sample();
    if (watch.disturbance() == Disturbance::throttled) {
      ++timing.throttled;
      verdict = sampling.drop(clock.seconds());
      continue;
    }
    timing.preempted += watch.disturbance() == Disturbance::preempted ? 1 : 0;
    verdict = sampling.add(seconds, clock.seconds());
  }
  timing.seconds = summarise(sampling.samples());
  timing.settled = verdict == Verdict::settled;
  return timing;
}

}  // namespace

CacheFlush::CacheFlush(Backend& backend, int threads, std::size_t bytes)
    : backend_(backend), threads_(std::max(threads, 1)), bytes_(bytes) {
  void* const probe = backend.allocate(64);
  const bool on_processor = backend.host_view(probe) != nullptr;
  backend.release(probe);
  if (bytes_ == 0) bytes_ = standard_bytes(on_processor);
  block_ = backend.allocate(bytes_);
  backend.zero(block_, bytes_);
}

CacheFlush::~CacheFlush() { backend_.release(block_); }

void CacheFlush::operator()() {
  auto* host = static_cast<unsigned char*>(backend_.host_view(block_));
  if (host == nullptr) {
    backend_.copy(static_cast<std::byte*>(block_) + bytes_ / 2, block_, bytes_ / 2);
    backend_.synchronize();
    return;
  }
  constexpr std::size_t line = 64;
  const auto lines = static_cast<std::int64_t>(bytes_ / line);
#pragma omp parallel for schedule(static) num_threads(threads_)
  for (std::int64_t i = 0; i < lines; ++i) ++host[static_cast<std::size_t>(i) * line];
}

Timing time_cold(Backend& backend, const std::function<void()>& call, CacheFlush& flush, const StopRule& rule) {
  WatchedStopwatch watch(backend);
  call();  // warm: primitives, plans, pages
  return sample_until(rule, watch, [&] {
    flush();
    watch.start();
    call();
    return watch.stop();
  });
}

Timing time_hot(Backend& backend, const std::function<void()>& call, const StopRule& rule) {
  WatchedStopwatch watch(backend);
  call();
  watch.start();
  call();
  const double once = std::max(watch.stop(), 1e-9);
  const int calls = static_cast<int>(std::clamp(std::ceil(kShortestSample / once), 1.0, double{kMostCalls}));
  Timing timing = sample_until(rule, watch, [&] {
    watch.start();
    for (int i = 0; i < calls; ++i) call();
    return watch.stop() / calls;
  });
  timing.calls_per_sample = calls;
  return timing;
}

}  // namespace thaw::microscope
