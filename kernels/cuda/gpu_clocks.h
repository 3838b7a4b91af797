#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "kernels/clock_watch.h"

namespace thaw::cuda {

/// What a GPU says of its clocks at one moment.
struct ClockReading {
  unsigned sm_mhz = 0;
  std::uint64_t reasons = 0;  ///< why they are not higher: NVML's bits (nvmlClocksEventReason...)
};

using ReadClocks = std::function<std::optional<ClockReading>()>;

/// Calls a sample throttled where, before or behind it, the GPU slowed down for heat, for its power brake or by its
/// hardware, or where its clock is a tenth or more below the highest that was seen (a GPU that is warm and busy). That
/// it idles, keeps to the clocks that somebody set, or to its power cap, is no reason.
class ThrottleWatch : public ClockWatch {
 public:
  explicit ThrottleWatch(ReadClocks read) : read_(std::move(read)) {}
  void start() override { before_ = slowed(); }
  Disturbance stop() override;

 private:
  bool slowed();

  ReadClocks read_;
  unsigned warmed_mhz_ = 0;
  bool before_ = false;
};

/// Reads the clocks of the GPU at a PCI address ("00000000:17:00.0") through NVML, which comes with the driver and is
/// loaded here. Null where the library is not there or does not know the GPU.
ReadClocks open_gpu_clocks(const std::string& pci_address, const std::string& library = "libnvidia-ml.so.1");

}  // namespace thaw::cuda
