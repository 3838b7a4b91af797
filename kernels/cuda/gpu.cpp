#include "kernels/cuda/gpu.h"

#include "kernels/cuda/gpu_clocks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

namespace thaw::cuda {

namespace {

constexpr std::size_t kStagingBytes = std::size_t{8} << 20;
/// What is smaller takes less time on its way than a second stream costs.
constexpr std::size_t kSmall = std::size_t{64} << 10;

/// A piece of the host's bytes on its way: pinned memory there and memory here, with the events that say when each may
/// be written again.
struct Staging {
  void* host = nullptr;
  void* device = nullptr;
  cudaEvent_t sent = nullptr;   // the host's copy has been read
  cudaEvent_t taken = nullptr;  // the device's copy has been read

  Staging() {
    THAW_CUDA(cudaMallocHost(&host, kStagingBytes));
    THAW_CUDA(cudaMalloc(&device, kStagingBytes));
    for (cudaEvent_t* event : {&sent, &taken}) THAW_CUDA(cudaEventCreateWithFlags(event, cudaEventDisableTiming));
  }
  ~Staging() {
    for (cudaEvent_t event : {sent, taken}) cudaEventDestroy(event);
    cudaFree(device);
    cudaFreeHost(host);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
};

}  // namespace

struct Gpu::State {
  cudaStream_t stream = nullptr;  // of the computation
  cudaStream_t copies = nullptr;  // from the host, beside the computation
  int multiprocessors = 1;
  std::array<std::unique_ptr<Staging>, 4> staging;  // as many uploads may be ahead of the computation
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
  for (cudaStream_t* stream : {&state_->stream, &state_->copies}) {
    THAW_CUDA(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking));
  }
  THAW_CUDA(cudaDeviceGetAttribute(&state_->multiprocessors, cudaDevAttrMultiProcessorCount, ordinal));
  for (auto& staging : state_->staging) staging = std::make_unique<Staging>();
}

Gpu::~Gpu() {
  for (cudaStream_t stream : {state_->copies, state_->stream}) {
    cudaStreamSynchronize(stream);
    cudaStreamDestroy(stream);
  }
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

std::unique_ptr<ClockWatch> Gpu::clock_watch() {
  int ordinal = 0;
  char address[32] = {};
  THAW_CUDA(cudaGetDevice(&ordinal));
  THAW_CUDA(cudaDeviceGetPCIBusId(address, sizeof address, ordinal));
  ReadClocks read = open_gpu_clocks(address);
  return read == nullptr ? nullptr : std::make_unique<ThrottleWatch>(std::move(read));
}

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

/// The way over the device's staging memory lets a large transfer go on beside what was started before it: blocks are
/// handed out in the order of the computation, so that only this stream may write them.
void Gpu::upload(void* device, const void* host, std::size_t bytes) {
  auto* to = static_cast<std::byte*>(device);
  const auto* from = static_cast<const std::byte*>(host);
  while (bytes > 0) {
    const std::size_t piece = std::min(bytes, kStagingBytes);
    const Staging& staging = *state_->staging.at(state_->next);
    state_->next = (state_->next + 1) % state_->staging.size();
    THAW_CUDA(cudaEventSynchronize(staging.sent));
    std::memcpy(staging.host, from, piece);
    if (piece < kSmall) {
      THAW_CUDA(cudaMemcpyAsync(to, staging.host, piece, cudaMemcpyHostToDevice, state_->stream));
      THAW_CUDA(cudaEventRecord(staging.sent, state_->stream));
    } else {
      THAW_CUDA(cudaStreamWaitEvent(state_->copies, staging.taken, 0));
      THAW_CUDA(cudaMemcpyAsync(staging.device, staging.host, piece, cudaMemcpyHostToDevice, state_->copies));
      THAW_CUDA(cudaEventRecord(staging.sent, state_->copies));
      THAW_CUDA(cudaStreamWaitEvent(state_->stream, staging.sent, 0));
      THAW_CUDA(cudaMemcpyAsync(to, staging.device, piece, cudaMemcpyDeviceToDevice, state_->stream));
      THAW_CUDA(cudaEventRecord(staging.taken, state_->stream));
    }
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
