#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <mutex>
#include <unordered_map>

#include "kernels/backend.h"

namespace thaw {

/// One stream and the stream-ordered pool behind it. Blocks that are released go back to the pool at that point of the
/// stream, so that a step reuses them without asking the driver.
class CudaMemory {
 public:
  explicit CudaMemory(int device);
  ~CudaMemory();
  CudaMemory(const CudaMemory&) = delete;
  CudaMemory& operator=(const CudaMemory&) = delete;

  /// Throws `Error` (failed) naming the request and what is in use where the device is full.
  void* allocate(std::size_t bytes);
  void release(void* block) noexcept;
  [[nodiscard]] BackendStats stats() const;
  [[nodiscard]] cudaStream_t stream() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  mutable std::mutex mutex_;
  std::unordered_map<void*, std::size_t> sizes_;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace thaw
