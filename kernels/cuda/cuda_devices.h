#pragma once

#include <memory>
#include <vector>

#include "kernels/backend.h"

namespace thaw {

/// The CUDA devices of this machine, or one unusable entry whose detail says why there is none.
std::vector<DeviceInfo> cuda_devices();

/// Throws `Error` (device) where no CUDA device can be used.
std::shared_ptr<Backend> make_cuda_backend(const BackendOptions& options);

}  // namespace thaw
