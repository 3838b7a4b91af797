#include "kernels/cuda/cudnn_call.h"

#include <array>

#include "kernels/error.h"

namespace thaw {

void check_cudnn(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> detail = {};
  cudnnGetLastErrorString(detail.data(), detail.size());
  fail(ErrorKind::device, "[cudnn] {} failed: {}{}{}; run with --device cpu, or look at `thaw devices`", call,
       cudnnGetErrorString(status), detail[0] != '\0' ? ", " : "", detail.data());
}

void fail_cudnn(std::string_view call, std::string_view problem, std::string_view reason) {
  fail(ErrorKind::device,
       "[cudnn] {} failed for {}: {}; run with --device cpu, or see which engines there are with `thaw plan`", call,
       problem, reason);
}

CudnnHandle::CudnnHandle(cudaStream_t stream) {
  cudnnHandle_t handle = nullptr;
  THAW_CUDNN(cudnnCreate(&handle));
  handle_.reset(handle);
  THAW_CUDNN(cudnnSetStream(handle, stream));
}

}  // namespace thaw
