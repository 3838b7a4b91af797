#include "kernels/cuda/cuda_memory.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cuda/cuda_call.h"
#include "kernels/error.h"

namespace thaw {

CudaMemory::CudaMemory(int device) {
  THAW_CUDA(cudaSetDevice(device));
  THAW_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  THAW_CUDA(cudaDeviceGetDefaultMemPool(&pool_, device));
  std::uint64_t keep_all = std::numeric_limits<std::uint64_t>::max();
  THAW_CUDA(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_all));
}

CudaMemory::~CudaMemory() {
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
}

void* CudaMemory::allocate(std::size_t bytes) {
  void* block = nullptr;
  const cudaError_t status = cudaMallocAsync(&block, bytes, stream_);
  const std::scoped_lock lock(mutex_);
  if (status == cudaErrorMemoryAllocation) {
    fail(ErrorKind::failed,
         "[cuda] {} MiB more do not fit beside the {} MiB in use; choose a smaller --batch or --size", bytes >> 20,
         used_ >> 20);
  }
  check_cuda(status, "cudaMallocAsync");
  sizes_[block] = bytes;
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  return block;
}

void CudaMemory::release(void* block) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto found = sizes_.find(block);
  if (found == sizes_.end()) return;
  used_ -= found->second;
  sizes_.erase(found);
  cudaFreeAsync(block, stream_);
}

BackendStats CudaMemory::stats() const {
  std::uint64_t reserved = 0;
  THAW_CUDA(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved));
  const std::scoped_lock lock(mutex_);
  return {.used_bytes = used_, .peak_bytes = peak_, .reserved_bytes = static_cast<std::size_t>(reserved)};
}

}  // namespace thaw
