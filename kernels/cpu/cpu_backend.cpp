#include "kernels/cpu/cpu_backend.h"

#include <cstring>

#include "kernels/cpu/conv_engine.h"
#include "kernels/cpu/cpu_conv_ways.h"
#include "kernels/cpu/preemptions.h"
#include "kernels/cpu/product_engine.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/error.h"

namespace thaw {

namespace {

Scratch copy_of(const std::shared_ptr<Arena>& arena, const void* from, std::int64_t floats) {
  const auto bytes = static_cast<std::size_t>(floats) * sizeof(float);
  Scratch copy(arena, bytes);
  std::memcpy(copy.data(), from, bytes);
  return copy;
}

}  // namespace

CpuBackend::CpuBackend(const BackendOptions& options)
    : threads_(options.threads),
      simd_(simd_kernels()),
      arena_(std::make_shared<Arena>(0, options.poison)),
      convs_(std::make_unique<ConvEngine>(arena_, threads_, simd_)),
      products_(std::make_unique<ProductEngine>(arena_, threads_, simd_)),
      ways_(std::make_unique<CpuConvWays>(*this, arena_, *convs_, *products_)) {
  threads_.enter();
}

CpuBackend::~CpuBackend() = default;

ConvWays& CpuBackend::conv_ways() { return *ways_; }

std::unique_ptr<ClockWatch> CpuBackend::clock_watch() { return std::make_unique<PreemptionWatch>(); }

DeviceInfo CpuBackend::info() const {
  DeviceInfo info = cpu_device();
  info.threads = threads_.count();
  return info;
}

bool CpuBackend::supports(Dtype dtype) const {
  static const bool bf16 = cpu_device().best_dtype == Dtype::bf16;
  return dtype == Dtype::f32 || (dtype == Dtype::bf16 && bf16);
}

BackendStats CpuBackend::stats() const {
  const ArenaStats memory = arena_->stats();
  return {memory.used, memory.peak, memory.reserved, convs_->primitives_made()};
}

void CpuBackend::enter(std::string_view call, Dtype dtype) const {
  if (!supports(dtype)) {
    fail(ErrorKind::device, "[{}] the cpu backend does not compute in {} on this processor; use --dtype f32", call,
         name_of(dtype));
  }
  threads_.enter();
}

void CpuBackend::upload(void* device, const void* host, std::size_t bytes) { std::memcpy(device, host, bytes); }

void CpuBackend::download(void* host, const void* device, std::size_t bytes) { std::memcpy(host, device, bytes); }

void CpuBackend::copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }

void CpuBackend::zero(void* device, std::size_t bytes) { std::memset(device, 0, bytes); }

void CpuBackend::conv_forward(const ConvProblem& problem, const ConvForward& args) {
  enter("conv_forward", problem.dtype);
  problem.check();
  if (hand_written(problem)) return simd_.depthwise_forward(problem, args);
  if (products_->takes(problem)) return products_->forward(problem, args);
  convs_->forward(problem, args);
}

void CpuBackend::conv_backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) {
  enter("conv_backward_data", problem.dtype);
  problem.check();
  if (hand_written(problem)) return simd_.depthwise_backward_data(problem, static_cast<const float*>(w), dy, dx);
  if (products_->takes_data(problem)) return products_->backward_data(problem, w, dy, dx);
  convs_->backward_data(problem, w, dy, dx);
}

void CpuBackend::conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw,
                                      void* dbias) {
  enter("conv_backward_filter", problem.dtype);
  problem.check();
  if (hand_written(problem)) {
    const Scratch scratch(arena_, depthwise_filter_scratch_bytes(problem));
    simd_.depthwise_backward_filter(problem, x, dy, static_cast<float*>(dw), static_cast<float*>(dbias),
                                    scratch.data());
    return;
  }
  if (dw != nullptr && products_->takes_filter(problem)) return products_->backward_filter(problem, x, dy, dw, dbias);
  if (dw != nullptr) convs_->backward_filter(problem, x, dy, dw);
  if (dbias != nullptr) sum_rows(problem.dtype, problem.output_size() / problem.k, problem.k, dy, dbias);
}

std::shared_ptr<const PackedConv> CpuBackend::pack_conv(const ConvProblem& problem, const void* w, const void* bias) {
  enter("pack_conv", problem.dtype);
  problem.check();
  auto packed = std::make_shared<CpuPackedConv>();
  packed->problem = problem;
  if (problem.bias) packed->bias = copy_of(arena_, bias, problem.k);
  if (hand_written(problem)) {
    packed->filter = copy_of(arena_, w, problem.filter_size());
  } else if (products_->takes(problem)) {
    packed->filter = products_->pack(problem, static_cast<const float*>(w));
  } else {
    convs_->pack(problem, w, *packed);
  }
  return packed;
}

void CpuBackend::conv_forward_packed(const ConvProblem& problem, const PackedConv& packed, const ConvForward& args) {
  enter("conv_forward_packed", problem.dtype);
  problem.check();
  const auto& own = dynamic_cast<const CpuPackedConv&>(packed);
  problem.check_packed(own.problem);
  ConvForward with_filter = args;
  with_filter.w = own.filter.data();
  with_filter.bias = own.bias.data();
  if (hand_written(problem)) return simd_.depthwise_forward(problem, with_filter);
  if (products_->takes(problem)) return products_->forward_packed(problem, with_filter.w, with_filter);
  convs_->forward_packed(problem, own, args);
}

void CpuBackend::dense_forward(const DenseProblem& problem, const void* x, const void* w, const void* bias, void* y) {
  conv_forward(problem.as_conv(), {.x = x, .w = w, .bias = bias, .y = y});
}

void CpuBackend::dense_backward_data(const DenseProblem& problem, const void* w, const void* dy, void* dx) {
  conv_backward_data(problem.as_conv(), w, dy, dx);
}

void CpuBackend::dense_backward_weights(const DenseProblem& problem, const void* x, const void* dy, void* dw,
                                        void* dbias) {
  conv_backward_filter(problem.as_conv(), x, dy, dw, dbias);
}

std::shared_ptr<Backend> make_cpu_backend(const BackendOptions& options) {
  return std::make_shared<CpuBackend>(options);
}

}  // namespace thaw
