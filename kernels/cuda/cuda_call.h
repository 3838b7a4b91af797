#pragma once

#include <cuda_runtime_api.h>

namespace thaw {

// Formatted errors stay out of the .cu files: nvcc cannot evaluate fmt's format strings.

/// Throws `Error` (device) with the call's text, the runtime's explanation and a way out, unless the call succeeded.
void check_cuda(cudaError_t status, const char* call);

}  // namespace thaw

#define THAW_CUDA(call) ::thaw::check_cuda(call, #call)
