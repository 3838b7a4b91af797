#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/cuda/cuda_conv_ways.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/filter_copies.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/library.h"

namespace thaw {

/// The GPU backend: dense convolutions and layers by cuDNN and cuBLASLt, norms by cuDNN where timing says so,
/// everything else by thaw's own kernels. Without a library (in the emulation) own kernels do all of it.
class CudaBackend : public Backend, public HasConvWays, public HasClockWatch, private cuda::Workspace {
 public:
  /// With `options.poison`, memory is guarded (`DeviceMemory`). `make_library` may be null.
  using MakeLibrary = std::unique_ptr<cuda::Library> (*)(cuda::Gpu& gpu, cuda::DeviceMemory& memory,
                                                         const BackendOptions& options);
  CudaBackend(int device, const BackendOptions& options, MakeLibrary make_library);
  ~CudaBackend() override;

  [[nodiscard]] std::string_view name() const override { return "cuda"; }
  [[nodiscard]] DeviceInfo info() const override;
  [[nodiscard]] bool supports(Dtype dtype) const override { return dtype == Dtype::f32 || dtype == Dtype::bf16; }
  [[nodiscard]] bool fuses(const SqueezeExciteProblem& problem) const override { return supports(problem.dtype); }
  [[nodiscard]] BackendStats stats() const override;

  void* allocate(std::size_t bytes) override { return memory_.allocate(bytes); }
  void release(void* block) noexcept override;
  void upload(void* device, const void* host, std::size_t bytes) override;
  void download(void* host, const void* device, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void zero(void* device, std::size_t bytes) override;
  /// Also reports what guarded memory noticed.
  void synchronize() override;
  std::unique_ptr<Stopwatch> stopwatch() override;
  /// Guarded memory goes back to the device, so that a recording would run on addresses that are gone.
  [[nodiscard]] bool can_record() const override { return !guarded_; }
  std::unique_ptr<Recording> record(const std::function<void()>& work) override;
  void replay(const Recording& recording) override;
  void set_step_size(double step_size) override;

  void conv_forward(const ConvProblem& problem, const ConvForward& args) override;
  void conv_backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) override;
  void conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw, void* dbias) override;
  std::shared_ptr<const PackedConv> pack_conv(const ConvProblem& problem, const void* w, const void* bias) override;
  void conv_forward_packed(const ConvProblem& problem, const PackedConv& packed, const ConvForward& args) override;
  ConvWays& conv_ways() override { return ways_; }
  std::unique_ptr<ClockWatch> clock_watch() override { return gpu_.clock_watch(); }

  void norm_forward(const NormProblem& problem, const NormForward& args) override;
  void norm_backward(const NormProblem& problem, const NormBackward& args) override;
  void act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y) override;
  void act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx) override;
  void pool_forward(const PoolProblem& problem, const void* x, void* y, std::int32_t* indices) override;
  void pool_backward(const PoolProblem& problem, const void* dy, const std::int32_t* indices, void* dx) override;
  void pad_forward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y) override;
  void pad_backward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx) override;

  void dense_forward(const DenseProblem& problem, const void* x, const void* w, const void* bias, void* y) override;
  void dense_backward_data(const DenseProblem& problem, const void* w, const void* dy, void* dx) override;
  void dense_backward_weights(const DenseProblem& problem, const void* x, const void* dy, void* dw,
                              void* dbias) override;

  void add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) override;
  void scale_forward(const ScaleProblem& problem, const void* x, const void* gate, void* y) override;
  void scale_backward(const ScaleProblem& problem, const void* x, const void* gate, const void* dy, void* dx,
                      void* dgate) override;
  void squeeze_excite_forward(const SqueezeExciteProblem& problem, const SqueezeExciteForward& args) override;
  void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) override;
  void preprocess(const PreprocessProblem& problem, const void* pixels, void* y) override;
  [[nodiscard]] bool can_resize() const override { return true; }
  void resize_photos(int size, std::span<const PhotoCrop> crops, float* pixels) override;
  void dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) override;
  void sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, void* sums) override;
  void sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out) override;
  void softmax_cross_entropy(Dtype master, int n, int classes, const void* logits, const std::int32_t* labels,
                             double gradient_scale, void* probabilities, void* dlogits, LossSums* sums) override;
  void adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) override;
  void sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) override;

 private:
  // Workspace
  [[nodiscard]] cuda::Stream stream() const override { return gpu_.stream(); }
  [[nodiscard]] int multiprocessors() const override { return gpu_.multiprocessors(); }
  void* scratch(std::size_t bytes) override;
  void* held(std::size_t bytes) override;
  unsigned* tickets() override { return static_cast<unsigned*>(tickets_.data()); }

  void check_dtype(std::string_view call, Dtype dtype) const;
  /// Throws `Error` (device) while a recording is made.
  void require_running(std::string_view call) const;
  /// The filter as the library wants it: the master itself or its copy in the activations' type, which is made in
  /// `narrow` where the filter does not train.
  const void* narrowed(Dtype dtype, std::int64_t count, const void* w, cuda::Block& narrow);
  cuda::Block cast_filter(Dtype dtype, std::int64_t count, const void* w);

  /// Where optimizer calls read their step size, which is set now unless the call is being recorded.
  const float* step_size_of_call(double step_size);

  int device_;
  bool guarded_;
  bool recording_ = false;
  cuda::Gpu gpu_;
  cuda::DeviceMemory memory_;
  cuda::FilterCopies copies_;
  cuda::Block scratch_;
  cuda::Block held_;
  cuda::Block tickets_;
  cuda::Block step_size_;
  std::unique_ptr<cuda::Library> library_;
  cuda::CudaConvWays ways_;
};

}  // namespace thaw
