#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/clock_watch.h"
#include "kernels/conv_ways.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/threads.h"

namespace thaw {

class ConvEngine;
class CpuConvWays;
class ProductEngine;
struct SimdKernels;

/// Computes on the processor, in f32 and, where it has instructions for it, bf16: dense convolutions and dense layers
/// with oneDNN, everything else with the kernels of kernels/cpu/simd. Results have the same bits for every number of
/// threads. Calls come from one thread at a time; `allocate`, `release`, `upload` and `download` from any.
class CpuBackend : public Backend, public HasConvWays, public HasClockWatch {
 public:
  explicit CpuBackend(const BackendOptions& options = {});
  ~CpuBackend() override;

  [[nodiscard]] std::string_view name() const override { return "cpu"; }
  [[nodiscard]] DeviceInfo info() const override;
  using Backend::supports;
  [[nodiscard]] bool supports(Dtype dtype) const override;
  [[nodiscard]] BackendStats stats() const override;

  void* allocate(std::size_t bytes) override { return arena_->allocate(bytes); }
  void release(void* block) noexcept override { arena_->release(block); }
  void upload(void* device, const void* host, std::size_t bytes) override;
  void download(void* host, const void* device, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void zero(void* device, std::size_t bytes) override;
  void* host_view(void* device) override { return device; }

  void conv_forward(const ConvProblem& problem, const ConvForward& args) override;
  void conv_backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) override;
  void conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw, void* dbias) override;
  std::shared_ptr<const PackedConv> pack_conv(const ConvProblem& problem, const void* w, const void* bias) override;
  void conv_forward_packed(const ConvProblem& problem, const PackedConv& packed, const ConvForward& args) override;
  ConvWays& conv_ways() override;
  std::unique_ptr<ClockWatch> clock_watch() override;

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
  void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) override;
  void preprocess(const PreprocessProblem& problem, const void* pixels, void* y) override;
  void dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) override;

  void sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, void* sums) override;
  void sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out) override;
  void softmax_cross_entropy(Dtype master, int n, int classes, const void* logits, const std::int32_t* labels,
                             double gradient_scale, void* probabilities, void* dlogits, LossSums* sums) override;

  void adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) override;
  void sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) override;

 private:
  friend class CpuConvWays;

  /// oneDNN's matrix code has no case for one channel in and one out, and nothing to gain there.
  static bool hand_written(const ConvProblem& problem) {
    return problem.depthwise() || (problem.c == 1 && problem.k == 1);
  }
  /// Begins a call: refuses a type that the processor does not have and readies the calling thread.
  void enter(std::string_view call, Dtype dtype) const;

  Threads threads_;
  const SimdKernels& simd_;
  std::shared_ptr<Arena> arena_;  // shared with packed filters, which may outlive the backend
  std::unique_ptr<ConvEngine> convs_;
  std::unique_ptr<ProductEngine> products_;
  std::unique_ptr<CpuConvWays> ways_;
};

/// The CPU backend. Throws `Error` (device) for an instruction set that $THAW_SIMD asks for and that is not there.
std::shared_ptr<Backend> make_cpu_backend(const BackendOptions& options);

/// The processor: name, instruction sets, memory, threads; its best type is bf16 where oneDNN computes in bf16
/// natively.
DeviceInfo cpu_device();

}  // namespace thaw
