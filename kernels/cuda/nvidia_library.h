#pragma once

#include <memory>

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/library.h"

namespace thaw::cuda {

/// cuDNN for convolutions and norms, cuBLASLt for dense layers, in the stream of `gpu`.
std::unique_ptr<Library> make_nvidia_library(Gpu& gpu, DeviceMemory& memory, const BackendOptions& options);

}  // namespace thaw::cuda
