#include "kernels/cuda/cuda_devices.h"

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_call.h"
#include "kernels/cuda/nvidia_library.h"
#include "kernels/error.h"

namespace thaw {

namespace {

DeviceInfo unusable(std::string detail) {
  DeviceInfo none{.backend = "cuda", .name = "none", .detail = std::move(detail)};
  none.threads = 0;
  none.usable = false;
  return none;
}

DeviceInfo describe(int device) {
  cudaDeviceProp properties = {};
  THAW_CUDA(cudaGetDeviceProperties(&properties, device));
  DeviceInfo info{.backend = "cuda",
                  .name = properties.name,
                  .detail = fmt::format("sm_{}{}, {} multiprocessors", properties.major, properties.minor,
                                        properties.multiProcessorCount)};
  info.threads = properties.multiProcessorCount;
  info.memory_bytes = properties.totalGlobalMem;
  info.best_dtype = properties.major >= 8 ? Dtype::bf16 : Dtype::f32;
  return info;
}

}  // namespace

std::vector<DeviceInfo> cuda_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) return {unusable(cudaGetErrorString(status))};
  if (count == 0) return {unusable("no CUDA device is present")};
  std::vector<DeviceInfo> all;
  all.reserve(static_cast<std::size_t>(count));
  for (int device = 0; device < count; ++device) all.push_back(describe(device));
  return all;
}

std::shared_ptr<Backend> make_cuda_backend(const BackendOptions& options) {
  int count = 0;
  THAW_CUDA(cudaGetDeviceCount(&count));
  if (count == 0) fail(ErrorKind::device, "[cuda] no CUDA device is present; choose --device cpu");
  return std::make_shared<CudaBackend>(0, options, cuda::make_nvidia_library);
}

}  // namespace thaw
