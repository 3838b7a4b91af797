// Linked in place of the CUDA backend in a build without it.
#include "kernels/cuda/cuda_devices.h"
#include "kernels/error.h"

namespace thaw {

std::vector<DeviceInfo> cuda_devices() {
  DeviceInfo none{.backend = "cuda", .name = "none", .detail = "this build has no CUDA (THAW_CUDA=OFF)"};
  none.threads = 0;
  none.usable = false;
  return {none};
}

std::shared_ptr<Backend> make_cuda_backend(const BackendOptions&) {
  fail(
      ErrorKind::device,
      "[cuda] this build of thaw has no CUDA backend; configure with -DTHAW_CUDA=ON where nvcc is installed, or choose "
      "--device cpu");
}

}  // namespace thaw
