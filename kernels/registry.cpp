#include <algorithm>
#include <array>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cuda/cuda_devices.h"
#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"

namespace thaw {

namespace {

struct Entry {
  std::string_view name;
  std::shared_ptr<Backend> (*make)(const BackendOptions&);
};

constexpr std::array<Entry, 3> kBackends = {{
    {"cuda", make_cuda_backend},
    {"cpu", make_cpu_backend},
    {"reference", make_reference_backend},
}};

}  // namespace

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> all = cuda_devices();
  all.push_back(cpu_device());
  all.push_back(reference_device());
  std::stable_partition(all.begin(), all.end(), [](const DeviceInfo& device) { return device.usable; });
  return all;
}

std::shared_ptr<Backend> make_backend(std::string_view name, const BackendOptions& options) {
  const std::string wanted = name == "auto" ? devices().front().backend : std::string(name);
  const auto* entry =
      std::find_if(kBackends.begin(), kBackends.end(), [&wanted](const Entry& e) { return e.name == wanted; });
  if (entry == kBackends.end()) {
    fail(ErrorKind::usage, "there is no device '{}'; the devices are auto, cuda, cpu and reference", name);
  }
  return entry->make(options);
}

}  // namespace thaw
