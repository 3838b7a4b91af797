// The device of the emulation: the host itself.
#include "kernels/cuda/gpu.h"

#include <cstdlib>
#include <cstring>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_devices.h"

namespace thaw {

namespace cuda {

// Few multiprocessors make few blocks, and still several chunks of every sum.
struct Gpu::State {
  int multiprocessors = 5;
};

Gpu::Gpu(int) : state_(std::make_unique<State>()) {}
Gpu::~Gpu() = default;

Stream Gpu::stream() const { return {}; }
int Gpu::multiprocessors() const { return state_->multiprocessors; }
void* Gpu::take(std::size_t bytes) { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
void Gpu::give(void* block) noexcept { std::free(block); }
void Gpu::upload(void* device, const void* host, std::size_t bytes) { std::memcpy(device, host, bytes); }
void Gpu::download(void* host, const void* device, std::size_t bytes) { std::memcpy(host, device, bytes); }
void Gpu::copy(void* to, const void* from, std::size_t bytes) {
  emulation::submit([=] { std::memmove(to, from, bytes); });
}
void Gpu::fill(void* device, int byte, std::size_t bytes) {
  emulation::submit([=] { std::memset(device, byte, bytes); });
}
void Gpu::synchronize() {}

namespace {

struct CallRecording : Recording {
  std::vector<std::function<void()>> calls;
};

}  // namespace

std::unique_ptr<Recording> Gpu::record(const std::function<void()>& work) {
  auto recording = std::make_unique<CallRecording>();
  emulation::recorder = &recording->calls;
  try {
    work();
  } catch (...) {
    emulation::recorder = nullptr;
    throw;
  }
  emulation::recorder = nullptr;
  return recording;
}

std::unique_ptr<Stopwatch> Gpu::stopwatch() { return nullptr; }
std::unique_ptr<ClockWatch> Gpu::clock_watch() { return nullptr; }

void Gpu::replay(const Recording& recording) {
  for (const auto& call : dynamic_cast<const CallRecording&>(recording).calls) call();
}

}  // namespace cuda

std::vector<DeviceInfo> cuda_devices() {
  DeviceInfo info{.backend = "cuda", .name = "emulation", .detail = "thaw's CUDA kernels as fibers on the processor"};
  info.best_dtype = Dtype::bf16;
  info.memory_bytes = std::size_t{4} << 30;
  return {info};
}

std::shared_ptr<Backend> make_cuda_backend(const BackendOptions& options) {
  return std::make_shared<CudaBackend>(0, options, nullptr);
}

}  // namespace thaw
