#include "kernels/cuda/cuda_backend.h"

#include "kernels/cuda/cuda_call.h"
#include "kernels/cuda/cuda_devices.h"
#include "kernels/cuda/cuda_pointwise.h"

namespace thaw {

CudaBackend::CudaBackend(int device) : device_(device), memory_(device) {}

DeviceInfo CudaBackend::info() const { return cuda_devices().at(static_cast<std::size_t>(device_)); }

void CudaBackend::upload(void* device, const void* host, std::size_t bytes) {
  THAW_CUDA(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, memory_.stream()));
}

void CudaBackend::download(void* host, const void* device, std::size_t bytes) {
  THAW_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, memory_.stream()));
  synchronize();
}

void CudaBackend::copy(void* to, const void* from, std::size_t bytes) {
  THAW_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, memory_.stream()));
}

void CudaBackend::zero(void* device, std::size_t bytes) {
  THAW_CUDA(cudaMemsetAsync(device, 0, bytes, memory_.stream()));
}

void CudaBackend::synchronize() { THAW_CUDA(cudaStreamSynchronize(memory_.stream())); }

void CudaBackend::act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y) {
  cuda::act_forward(memory_.stream(), act, dtype, count, x, y);
}

void CudaBackend::act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx) {
  cuda::act_backward(memory_.stream(), act, dtype, count, x, dy, dx);
}

void CudaBackend::add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) {
  cuda::add(memory_.stream(), dtype, count, a, b, y);
}

void CudaBackend::scale_forward(const ScaleProblem& problem, const void* x, const void* gate, void* y) {
  cuda::scale_forward(memory_.stream(), problem, x, gate, y);
}

void CudaBackend::cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) {
  cuda::cast(memory_.stream(), from, to, count, x, y);
}

void CudaBackend::preprocess(const PreprocessProblem& problem, const void* pixels, void* y) {
  cuda::preprocess(memory_.stream(), problem, pixels, y);
}

void CudaBackend::dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) {
  cuda::dropout(memory_.stream(), dtype, count, rate, seed, x, y);
}

void CudaBackend::adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) {
  if (master != Dtype::f32) not_offered("adam", name_of(master));
  cuda::adam(memory_.stream(), slots, step);
}

void CudaBackend::sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) {
  if (master != Dtype::f32) not_offered("sgd", name_of(master));
  cuda::sgd(memory_.stream(), slots, step);
}

}  // namespace thaw
