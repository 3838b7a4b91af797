#include "kernels/cuda/cuda_call.h"

#include "kernels/error.h"

namespace thaw {

void check_cuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  fail(ErrorKind::device, "[cuda] {} failed: {} ({}); run with --device cpu, or look at `thaw devices`", call,
       cudaGetErrorString(status), cudaGetErrorName(status));
}

}  // namespace thaw
