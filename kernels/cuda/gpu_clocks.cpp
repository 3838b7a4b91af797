#include "kernels/cuda/gpu_clocks.h"

#include <dlfcn.h>

#include <algorithm>
#include <utility>

namespace thaw::cuda {

namespace {

// The part of nvml.h that is needed: its binary interface is fixed, and the header comes with neither toolkit nor
// driver everywhere.
using NvmlDevice = void*;
constexpr int kSuccess = 0;
constexpr int kSmClock = 1;                        // NVML_CLOCK_SM
constexpr std::uint64_t kHardwareSlowdown = 0x08;  // nvmlClocksEventReasonHwSlowdown and so on
constexpr std::uint64_t kSoftwareThermal = 0x20;
constexpr std::uint64_t kHardwareThermal = 0x40;
constexpr std::uint64_t kHardwarePowerBrake = 0x80;
constexpr std::uint64_t kSlowed = kHardwareSlowdown | kSoftwareThermal | kHardwareThermal | kHardwarePowerBrake;

/// NVML while it is loaded.
class Nvml {
 public:
  explicit Nvml(const std::string& library) : library_(::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) return;
    find("nvmlInit_v2", init_);
    find("nvmlShutdown", shutdown_);
    find("nvmlDeviceGetHandleByPciBusId_v2", by_address_);
    find("nvmlDeviceGetClockInfo", clock_);
    find("nvmlDeviceGetCurrentClocksEventReasons", reasons_);
    if (reasons_ == nullptr) find("nvmlDeviceGetCurrentClocksThrottleReasons", reasons_);  // its name before R535
    const bool whole =
        init_ != nullptr && shutdown_ != nullptr && by_address_ != nullptr && clock_ != nullptr && reasons_ != nullptr;
    running_ = whole && init_() == kSuccess;
  }
  ~Nvml() {
    if (running_) shutdown_();
    if (library_ != nullptr) ::dlclose(library_);
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// Null where there is no such GPU.
  [[nodiscard]] NvmlDevice device(const std::string& pci_address) const {
    NvmlDevice device = nullptr;
    const bool found = running_ && by_address_(pci_address.c_str(), &device) == kSuccess;
    return found ? device : nullptr;
  }
  [[nodiscard]] std::optional<ClockReading> read(NvmlDevice device) const {
    ClockReading reading;
    unsigned long long reasons = 0;
    if (clock_(device, kSmClock, &reading.sm_mhz) != kSuccess || reasons_(device, &reasons) != kSuccess) {
      return std::nullopt;
    }
    reading.reasons = reasons;
    return reading;
  }

 private:
  template <class Function>
  void find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library_, name));
  }

  void* library_;
  int (*init_)() = nullptr;
  int (*shutdown_)() = nullptr;
  int (*by_address_)(const char*, NvmlDevice*) = nullptr;
  int (*clock_)(NvmlDevice, int, unsigned*) = nullptr;
  int (*reasons_)(NvmlDevice, unsigned long long*) = nullptr;
  bool running_ = false;
};

}  // namespace

bool ThrottleWatch::slowed() {
  const std::optional<ClockReading> now = read_();
  if (!now) return false;
  warmed_mhz_ = std::max(warmed_mhz_, now->sm_mhz);
  return (now->reasons & kSlowed) != 0 || now->sm_mhz * 10 <= warmed_mhz_ * 9;
}

Disturbance ThrottleWatch::stop() {
  const bool behind = slowed();
  return before_ || behind ? Disturbance::throttled : Disturbance::none;
}

ReadClocks open_gpu_clocks(const std::string& pci_address, const std::string& library) {
  const auto nvml = std::make_shared<const Nvml>(library);
  NvmlDevice const device = nvml->device(pci_address);
  if (device == nullptr) return nullptr;
  return [nvml, device] { return nvml->read(device); };
}

}  // namespace thaw::cuda
