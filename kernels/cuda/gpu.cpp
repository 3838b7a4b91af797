#include "kernels/cuda/gpu.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

namespace thaw::cuda {

namespace {

constexpr std::size_t kStagingBytes = std::size_t{16} << 20;

/// Pinned memory through which the host's bytes travel, with the event that says when it may be written again.
struct Staging {
  void* bytes = nullptr;
  cudaEvent_t sent = nullptr;

  Staging() {
    THAW_CUDA(cudaMallocHost(&bytes, kStagingBytes));
    THAW_CUDA(cudaEventCreateWithFlags(&sent, cudaEventDisableTiming));
  }
  ~Staging() {
    cudaEventDestroy(sent);
    cudaFreeHost(bytes);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
};

}  // namespace

struct Gpu::State {
  cudaStream_t stream = nullptr;
  int multiprocessors = 1;
  std::array<std::unique_ptr<Staging>, 2> staging;
  std::size_t next = 0;
};

namespace {

/// A graph that can be launched.
struct GraphRecording : Recording {
  explicit GraphRecording(cudaGraph_t graph) { THAW_CUDA(cudaGraphInstantiate(&executable, graph, 0)); }
  ~GraphRecording() override { cudaGraphExecDestroy(executable); }
  GraphRecording(const GraphRecording&) = delete;
  GraphRecording& operator=(const GraphRecording&) = delete;

  cudaGraphExec_t executable = nullptr;
};

}  // namespace

std::unique_ptr<Recording> Gpu::record(const std::function<void()>& work) {
  THAW_CUDA(cudaStreamBeginCapture(state_->stream, cudaStreamCaptureModeRelaxed));
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    cudaStreamEndCapture(state_->stream, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    throw;
  }
  THAW_CUDA(cudaStreamEndCapture(state_->stream, &graph));
  const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, decltype(&cudaGraphDestroy)> owner(graph, cudaGraphDestroy);
  return std::make_unique<GraphRecording>(graph);
}

void Gpu::replay(const Recording& recording) {
  THAW_CUDA(cudaGraphLaunch(dynamic_cast<const GraphRecording&>(recording).executable, state_->stream));
}

Gpu::Gpu(int ordinal) : state_(std::make_unique<State>()) {
  THAW_CUDA(cudaSetDevice(ordinal));
  THAW_CUDA(cudaStreamCreateWithFlags(&state_->stream, cudaStreamNonBlocking));
  THAW_CUDA(cudaDeviceGetAttribute(&state_->multiprocessors, cudaDevAttrMultiProcessorCount, ordinal));
  for (auto& staging : state_->staging) staging = std::make_unique<Staging>();
}

Gpu::~Gpu() {
  cudaStreamSynchronize(state_->stream);
  cudaStreamDestroy(state_->stream);
}

Stream Gpu::stream() const { return state_->stream; }

int Gpu::multiprocessors() const { return state_->multiprocessors; }

namespace {

/// Two events in the stream.
class EventStopwatch : public Stopwatch {
 public:
  explicit EventStopwatch(cudaStream_t stream) : stream_(stream) {
    THAW_CUDA(cudaEventCreate(&begin_));
    THAW_CUDA(cudaEventCreate(&end_));
  }
  ~EventStopwatch() override {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  EventStopwatch(const EventStopwatch&) = delete;
  EventStopwatch& operator=(const EventStopwatch&) = delete;

  void start() override { THAW_CUDA(cudaEventRecord(begin_, stream_)); }
  double stop() override {
    float milliseconds = 0;
    THAW_CUDA(cudaEventRecord(end_, stream_));
    THAW_CUDA(cudaEventSynchronize(end_));
    THAW_CUDA(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return milliseconds * 1e-3;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace

std::unique_ptr<Stopwatch> Gpu::stopwatch() { return std::make_unique<EventStopwatch>(state_->stream); }

void* Gpu::take(std::size_t bytes) {
  void* block = nullptr;
  const cudaError_t status = cudaMalloc(&block, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // answered here, so that the next launch does not report it
    return nullptr;
  }
  check_cuda(status, "cudaMalloc");
  return block;
}

void Gpu::give(void* block) noexcept {
  cudaStreamSynchronize(state_->stream);
  cudaFree(block);
}

void Gpu::upload(void* device, const void* host, std::size_t bytes) {
  auto* to = static_cast<std::byte*>(device);
  const auto* from = static_cast<const std::byte*>(host);
  while (bytes > 0) {
    const std::size_t piece = std::min(bytes, kStagingBytes);
    Staging& staging = *state_->staging.at(state_->next);
    state_->next = 1 - state_->next;
    THAW_CUDA(cudaEventSynchronize(staging.sent));
    std::memcpy(staging.bytes, from, piece);
    THAW_CUDA(cudaMemcpyAsync(to, staging.bytes, piece, cudaMemcpyHostToDevice, state_->stream));
    THAW_CUDA(cudaEventRecord(staging.sent, state_->stream));
    to += piece;
    from += piece;
    bytes -= piece;
  }
}

void Gpu::download(void* host, const void* device, std::size_t bytes) {
  THAW_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, state_->stream));
  synchronize();
}

void Gpu::copy(void* to, const void* from, std::size_t bytes) {
  THAW_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, state_->stream));
}

void Gpu::fill(void* device, int byte, std::size_t bytes) {
  THAW_CUDA(cudaMemsetAsync(device, byte, bytes, state_->stream));
}

void Gpu::synchronize() { THAW_CUDA(cudaStreamSynchronize(state_->stream)); }

}  // namespace thaw::cuda
