#include "kernels/cuda/nvidia_library.h"

#include <set>
#include <string>

#include "kernels/cuda/conv_calls.h"
#include "kernels/cuda/conv_graph.h"
#include "kernels/cuda/cuda_call.h"
#include "kernels/cuda/cudnn_call.h"
#include "kernels/cuda/dense_products.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/nvidia_norms.h"
#include "kernels/cuda/timing.h"
#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw::cuda {

namespace {

/// What convolutions ask of the backend.
class Services : public ConvServices {
 public:
  Services(Gpu& gpu, DeviceMemory& memory) : gpu_(gpu), memory_(memory) {}
  void* allocate(std::size_t bytes) override { return memory_.allocate(bytes); }
  void release(void* block) noexcept override { memory_.release(block); }
  void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) override {
    cuda::cast(gpu_.stream(), from, to, count, x, y);
  }
  void epilogue(const ConvProblem& problem, const void* bias, const void* residual, void* y) override {
    cuda::epilogue(gpu_.stream(), problem.act, problem.dtype, problem.output_size() / problem.k, problem.k,
                   static_cast<const float*>(bias), residual, y);
  }

 private:
  Gpu& gpu_;
  DeviceMemory& memory_;
};

std::string device_name() {
  int ordinal = 0;
  cudaDeviceProp properties = {};
  THAW_CUDA(cudaGetDevice(&ordinal));
  THAW_CUDA(cudaGetDeviceProperties(&properties, ordinal));
  return properties.name;
}

class NvidiaLibrary : public Library {
 public:
  NvidiaLibrary(Gpu& gpu, DeviceMemory& memory, const BackendOptions& options)
      : gpu_(gpu),
        memory_(memory),
        services_(gpu, memory),
        handle_(gpu.stream()),
        convs_(handle_.get(), services_, std::make_unique<CudnnPlanner>(handle_.get(), device_name()),
               plan_options(options)),
        norms_(gpu, memory, handle_.get(), device_name(), options),
        dense_(gpu, memory, options.tf32) {}

  bool conv_forward(const ConvProblem& problem, const void* filter, const ConvForward& args) override {
    if (!has_plan(problem, ConvDirection::forward)) return false;
    ConvForward given = args;
    given.w = filter;
    convs_.forward(problem, given, problem.dtype);
    return true;
  }
  bool conv_backward_data(const ConvProblem& problem, const void* filter, const void* dy, void* dx) override {
    if (!has_plan(problem, ConvDirection::data)) return false;
    convs_.backward_data(problem, filter, dy, dx, problem.dtype);
    return true;
  }
  bool conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, float* dw) override {
    if (!has_plan(problem, ConvDirection::filter)) return false;
    convs_.backward_filter(problem, x, dy, dw);
    return true;
  }
  bool dense_forward(const DenseProblem& problem, const void* x, const void* weights, const void* bias,
                     void* y) override {
    return dense_.forward(problem, x, weights, static_cast<const float*>(bias), y);
  }
  bool dense_backward_data(const DenseProblem& problem, const void* weights, const void* dy, void* dx) override {
    return dense_.backward_data(problem, weights, dy, dx);
  }
  bool dense_backward_weights(const DenseProblem& problem, const void* x, const void* dy, float* dw) override {
    return dense_.backward_weights(problem, x, dy, dw);
  }
  std::vector<ConvWay> conv_engines(const ConvTask& task) override { return convs_.engines(task); }
  std::function<void()> bind_conv(const ConvTask& task, const std::string& engine,
                                  const ConvOperands& operands) override {
    return convs_.bind(task, engine, operands);
  }
  Dtype conv_result(const ConvTask& task) override {
    if (!has_plan(task.problem, task.direction)) return stored_result(task);
    return convs_.plans().find(task.problem, task.direction).facts().output;
  }
  bool norm_forward(Workspace& own, const NormProblem& problem, const NormForward& args) override {
    return norms_.forward(own, problem, args);
  }
  bool norm_backward(Workspace& own, const NormProblem& problem, const NormBackward& args) override {
    return norms_.backward(own, problem, args);
  }
  [[nodiscard]] std::int64_t plans() const override { return made_ + norms_.plans() + dense_.plans(); }

 private:
  ConvPlanOptions plan_options(const BackendOptions& options) {
    ConvPlanOptions out{.rules = {.tf32 = options.tf32, .fast = options.fast}};
    if (!options.autotune) return out;
    out.folder = cache_folder() / "plans";
    out.time = [this](const ConvRequest& request, const ConvPlan& plan) { return seconds_of(request, plan); };
    return out;
  }

  /// Whether cuDNN computes it; what it refuses once is left to own kernels from then on.
  bool has_plan(const ConvProblem& problem, ConvDirection direction) {
    const std::string key = problem.text() + std::string(name_of(direction));
    if (refused_.contains(key)) return false;
    try {
      static_cast<void>(convs_.plans().find(problem, direction));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::device) throw;  // memory ran out, say: that is no answer about the problem
      refused_.insert(key);
      return false;
    }
    made_ = convs_.plans().made();
    return true;
  }

  /// On small numbers: zeros would run cooler than anything that is trained on.
  double seconds_of(const ConvRequest& request, const ConvPlan& plan) {
    const ConvProblem& p = request.problem;
    const auto bytes = [](std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); };
    const Block x(memory_, bytes(p.input_size()));
    const Block y(memory_, bytes(p.output_size()));
    const Block residual(memory_, bytes(p.output_size()));
    const Block w(memory_, bytes(p.filter_size()));
    const Block bias(memory_, bytes(p.k));
    for (const Block* block : {&x, &y, &residual, &w, &bias}) gpu_.fill(block->data(), 0x3C, block->bytes());
    ConvPointers pointers{
        .x = x.data(), .w = w.data(), .dy = y.data(), .bias = bias.data(), .residual = residual.data()};
    pointers.out = request.direction == ConvDirection::forward ? y.data()
                   : request.direction == ConvDirection::data  ? x.data()
                                                               : w.data();
    return best_seconds(gpu_, [&] { convs_.run(request, plan, pointers); });
  }

  Gpu& gpu_;
  DeviceMemory& memory_;
  Services services_;
  CudnnHandle handle_;
  CudaConvs convs_;
  NvidiaNorms norms_;
  DenseProducts dense_;
  std::set<std::string> refused_;
  std::int64_t made_ = 0;
};

}  // namespace

std::unique_ptr<Library> make_nvidia_library(Gpu& gpu, DeviceMemory& memory, const BackendOptions& options) {
  return std::make_unique<NvidiaLibrary>(gpu, memory, options);
}

}  // namespace thaw::cuda
