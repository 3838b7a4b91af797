#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "kernels/backend.h"
#include "kernels/clock_watch.h"
#include "kernels/cuda/device.h"

namespace thaw::cuda {

/// Where a `DeviceMemory` has its memory from. Tests have one that counts.
class RawMemory {
 public:
  virtual ~RawMemory() = default;
  /// Null where there is no room.
  virtual void* take(std::size_t bytes) = 0;
  virtual void give(void* block) noexcept = 0;
  virtual void fill(void* device, int byte, std::size_t bytes) = 0;
  virtual void download(void* host, const void* device, std::size_t bytes) = 0;
};

/// One device and its stream of work, in the order of the calls. What the host sends travels in a second stream and
/// joins that order where it arrives. Two files implement it: gpu.cpp with the CUDA runtime, emulation/gpu.cpp on the
/// host. A failing call throws `Error` (device).
class Gpu : public RawMemory {
 public:
  explicit Gpu(int ordinal);
  ~Gpu() override;

  [[nodiscard]] Stream stream() const;
  [[nodiscard]] int multiprocessors() const;

  void* take(std::size_t bytes) override;
  void give(void* block) noexcept override;
  /// The host's bytes may change as soon as this returns.
  void upload(void* device, const void* host, std::size_t bytes);
  /// Waits for the work before it.
  void download(void* host, const void* device, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes);
  void fill(void* device, int byte, std::size_t bytes) override;
  void synchronize();

  /// Notes what `work` puts into the stream instead of doing it. It must not upload, download or wait.
  std::unique_ptr<Recording> record(const std::function<void()>& work);
  void replay(const Recording& recording);
  /// By the device's own clock; null where it has none.
  std::unique_ptr<Stopwatch> stopwatch();
  /// Null where nothing is known of the clocks.
  std::unique_ptr<ClockWatch> clock_watch();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace thaw::cuda
