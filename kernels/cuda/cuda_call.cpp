#include "kernels/cuda/cuda_call.h"

#include "kernels/error.h"

namespace thaw {

void check_cuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  fail(ErrorKind::device, "[cuda] {} failed: {} ({}); run with --device cpu, or look at `thaw devices`", call,
       cudaGetErrorString(status), cudaGetErrorName(status));
}

void fail_cuda_dtype(Dtype dtype) {
  fail(ErrorKind::device, "[cuda] activations of {} are not offered; choose --dtype f32 or bf16", name_of(dtype));
}

}  // namespace thaw
