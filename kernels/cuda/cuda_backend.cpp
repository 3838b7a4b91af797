#include "kernels/cuda/cuda_backend.h"

#include "kernels/cuda/cuda_devices.h"
#include "kernels/error.h"

namespace thaw {

namespace {

/// A filter for a frozen layer: the master's numbers and, for the library, the same in the activations' type.
struct CudaPackedConv : PackedConv {
  ConvProblem problem;
  cuda::Block filter;
  cuda::Block narrow;
  cuda::Block bias;
};

/// Recorded work, and how many filters had copies then.
struct CudaRecording : Recording {
  std::unique_ptr<Recording> work;
  std::uint64_t copies = 0;
};

std::size_t floats(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

}  // namespace

namespace cuda {

void fail_cuda_dtype(Dtype dtype) {
  fail(ErrorKind::device, "[cuda] activations of {} are not offered; choose --dtype f32 or bf16", name_of(dtype));
}

}  // namespace cuda

CudaBackend::CudaBackend(int device, const BackendOptions& options, MakeLibrary make_library)
    : device_(device),
      guarded_(options.poison),
      gpu_(device),
      memory_(gpu_, options.poison),
      copies_(gpu_, memory_),
      tickets_(memory_, most_tickets * sizeof(unsigned)),
      step_size_(memory_, sizeof(float)),
      library_(make_library == nullptr ? nullptr : make_library(gpu_, memory_, options)),
      ways_(gpu_, memory_, *this, library_.get()) {
  gpu_.fill(tickets_.data(), 0, tickets_.bytes());
}

CudaBackend::~CudaBackend() = default;

DeviceInfo CudaBackend::info() const { return cuda_devices().at(static_cast<std::size_t>(device_)); }

BackendStats CudaBackend::stats() const {
  BackendStats stats = memory_.stats();
  stats.primitives_made = library_ == nullptr ? 0 : library_->plans();
  return stats;
}

void CudaBackend::require_running(std::string_view call) const {
  if (!recording_) return;
  fail(ErrorKind::device,
       "[cuda] {} cannot be recorded: it happens once, a recording often; do it before the recording", call);
}

void CudaBackend::release(void* block) noexcept {
  copies_.forget(block, memory_.bytes_of(block));
  memory_.release(block);
}

void CudaBackend::upload(void* device, const void* host, std::size_t bytes) {
  require_running("an upload");
  gpu_.upload(device, host, bytes);
  copies_.refresh(device, bytes);
}

void CudaBackend::download(void* host, const void* device, std::size_t bytes) {
  require_running("a download");
  gpu_.download(host, device, bytes);
}

void CudaBackend::copy(void* to, const void* from, std::size_t bytes) {
  gpu_.copy(to, from, bytes);
  copies_.refresh(to, bytes);
}

void CudaBackend::zero(void* device, std::size_t bytes) {
  gpu_.fill(device, 0, bytes);
  copies_.refresh(device, bytes);
}

void CudaBackend::synchronize() {
  require_running("waiting");
  gpu_.synchronize();
  memory_.check();
}

std::unique_ptr<Stopwatch> CudaBackend::stopwatch() {
  auto own = gpu_.stopwatch();
  return own != nullptr ? std::move(own) : Backend::stopwatch();
}

std::unique_ptr<Recording> CudaBackend::record(const std::function<void()>& work) {
  if (!can_record()) return Backend::record(work);
  recording_ = true;
  try {
    auto recording = std::make_unique<CudaRecording>();
    recording->copies = copies_.made();
    recording->work = gpu_.record(work);
    recording_ = false;
    return recording;
  } catch (...) {
    recording_ = false;
    throw;
  }
}

void CudaBackend::replay(const Recording& recording) {
  const auto& own = dynamic_cast<const CudaRecording&>(recording);
  gpu_.replay(*own.work);
  copies_.refresh_younger(own.copies);
}

void CudaBackend::set_step_size(double step_size) {
  const auto value = static_cast<float>(step_size);
  upload(step_size_.data(), &value, sizeof value);
}

const float* CudaBackend::step_size_of_call(double step_size) {
  if (!recording_) set_step_size(step_size);
  return static_cast<const float*>(step_size_.data());
}

void* CudaBackend::scratch(std::size_t bytes) {
  if (scratch_.bytes() < bytes) scratch_ = cuda::Block(memory_, bytes);
  return scratch_.data();
}

void* CudaBackend::held(std::size_t bytes) {
  if (held_.bytes() < bytes) held_ = cuda::Block(memory_, bytes);
  return held_.data();
}

void CudaBackend::check_dtype(std::string_view call, Dtype dtype) const {
  if (!supports(dtype)) not_offered(call, name_of(dtype));
}

const void* CudaBackend::narrowed(Dtype dtype, std::int64_t count, const void* w, cuda::Block& narrow) {
  if (dtype == Dtype::f32) return w;
  if (const void* copy = copies_.find(w, count)) return copy;
  narrow = cast_filter(dtype, count, w);
  return narrow.data();
}

cuda::Block CudaBackend::cast_filter(Dtype dtype, std::int64_t count, const void* w) {
  cuda::Block out(memory_, static_cast<std::size_t>(count) * size_of(dtype));
  cuda::cast(stream(), Dtype::f32, dtype, count, w, out.data());
  return out;
}

void CudaBackend::conv_forward(const ConvProblem& problem, const ConvForward& args) {
  check_dtype("conv_forward", problem.dtype);
  problem.check();
  if (problem.depthwise()) return cuda::depthwise_forward(stream(), problem, args);
  if (library_ != nullptr) {
    cuda::Block narrow;
    if (library_->conv_forward(problem, narrowed(problem.dtype, problem.filter_size(), args.w, narrow), args)) return;
  }
  cuda::product_forward(stream(), problem, args);
}

void CudaBackend::conv_backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) {
  check_dtype("conv_backward_data", problem.dtype);
  problem.check();
  const auto* filter = static_cast<const float*>(w);
  if (problem.depthwise()) return cuda::depthwise_backward_data(stream(), problem, filter, dy, dx);
  if (library_ != nullptr) {
    cuda::Block narrow;
    const void* given = narrowed(problem.dtype, problem.filter_size(), w, narrow);
    if (library_->conv_backward_data(problem, given, dy, dx)) return;
  }
  cuda::product_backward_data(stream(), problem, filter, dy, dx);
}

void CudaBackend::conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw,
                                       void* dbias) {
  check_dtype("conv_backward_filter", problem.dtype);
  problem.check();
  if (dbias != nullptr) sum_rows(problem.dtype, problem.output_size() / problem.k, problem.k, dy, dbias);
  if (dw == nullptr) return;
  auto* gradient = static_cast<float*>(dw);
  if (problem.depthwise()) return cuda::depthwise_backward_filter(*this, problem, x, dy, gradient);
  if (library_ != nullptr && library_->conv_backward_filter(problem, x, dy, gradient)) return;
  cuda::product_backward_filter(*this, problem, x, dy, gradient);
}

std::shared_ptr<const PackedConv> CudaBackend::pack_conv(const ConvProblem& problem, const void* w, const void* bias) {
  check_dtype("pack_conv", problem.dtype);
  problem.check();
  auto packed = std::make_shared<CudaPackedConv>();
  packed->problem = problem;
  packed->filter = cuda::Block(memory_, floats(problem.filter_size()));
  gpu_.copy(packed->filter.data(), w, floats(problem.filter_size()));
  if (problem.bias) {
    packed->bias = cuda::Block(memory_, floats(problem.k));
    gpu_.copy(packed->bias.data(), bias, floats(problem.k));
  }
  if (library_ != nullptr && !problem.depthwise() && problem.dtype != Dtype::f32) {
    packed->narrow = cast_filter(problem.dtype, problem.filter_size(), packed->filter.data());
  }
  return packed;
}

void CudaBackend::conv_forward_packed(const ConvProblem& problem, const PackedConv& packed, const ConvForward& args) {
  check_dtype("conv_forward_packed", problem.dtype);
  problem.check();
  const auto& own = dynamic_cast<const CudaPackedConv&>(packed);
  problem.check_packed(own.problem);
  ConvForward with_filter = args;
  with_filter.w = own.filter.data();
  with_filter.bias = own.bias.data();
  if (problem.depthwise()) return cuda::depthwise_forward(stream(), problem, with_filter);
  const void* filter = own.narrow.data() == nullptr ? own.filter.data() : own.narrow.data();
  if (library_ != nullptr && library_->conv_forward(problem, filter, with_filter)) return;
  cuda::product_forward(stream(), problem, with_filter);
}

void CudaBackend::norm_forward(const NormProblem& problem, const NormForward& args) {
  check_dtype("norm_forward", problem.dtype);
  if (library_ != nullptr && library_->norm_forward(*this, problem, args)) return;
  cuda::norm_forward(*this, problem, args);
}

void CudaBackend::norm_backward(const NormProblem& problem, const NormBackward& args) {
  check_dtype("norm_backward", problem.dtype);
  problem.check_gradient();
  if (library_ != nullptr && library_->norm_backward(*this, problem, args)) return;
  cuda::norm_backward(*this, problem, args.readable());
}

void CudaBackend::dense_forward(const DenseProblem& problem, const void* x, const void* w, const void* bias, void* y) {
  check_dtype("dense_forward", problem.dtype);
  if (library_ != nullptr) {
    cuda::Block narrow;
    const void* weights = narrowed(problem.dtype, std::int64_t{problem.k} * problem.c, w, narrow);
    if (library_->dense_forward(problem, x, weights, bias, y)) return;
  }
  cuda::product_forward(stream(), problem.as_conv(), {.x = x, .w = w, .bias = bias, .y = y});
}

void CudaBackend::dense_backward_data(const DenseProblem& problem, const void* w, const void* dy, void* dx) {
  check_dtype("dense_backward_data", problem.dtype);
  if (library_ != nullptr) {
    cuda::Block narrow;
    const void* weights = narrowed(problem.dtype, std::int64_t{problem.k} * problem.c, w, narrow);
    if (library_->dense_backward_data(problem, weights, dy, dx)) return;
  }
  cuda::product_backward_data(stream(), problem.as_conv(), static_cast<const float*>(w), dy, dx);
}

void CudaBackend::dense_backward_weights(const DenseProblem& problem, const void* x, const void* dy, void* dw,
                                         void* dbias) {
  check_dtype("dense_backward_weights", problem.dtype);
  if (dbias != nullptr) sum_rows(problem.dtype, problem.n, problem.k, dy, dbias);
  if (dw == nullptr) return;
  auto* gradient = static_cast<float*>(dw);
  if (library_ != nullptr && library_->dense_backward_weights(problem, x, dy, gradient)) return;
  cuda::product_backward_filter(*this, problem.as_conv(), x, dy, gradient);
}

}  // namespace thaw
