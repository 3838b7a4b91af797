#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "kernels/backend.h"

namespace thaw::microscope {

/// What the calls of one kind of work did: wall time, arithmetic and the least bytes that they had to move.
struct Work {
  double milliseconds = 0;
  double flops = 0;
  double bytes = 0;
  std::int64_t calls = 0;
};

/// Forwards every call to another backend and adds up, by kind of layer ("conv 1x1 forward") and by problem, how long
/// it took. Waits for the device behind every call, so that the sum is more than a step takes without it.
class TimedBackend : public Backend {
 public:
  explicit TimedBackend(std::shared_ptr<Backend> inner) : inner_(std::move(inner)), watch_(inner_->stopwatch()) {}

  std::map<std::string, Work> kinds;     ///< by kind
  std::map<std::string, Work> problems;  ///< by kind and problem text
  void clear() {
    kinds.clear();
    problems.clear();
  }

  [[nodiscard]] std::string_view name() const override { return inner_->name(); }
  [[nodiscard]] DeviceInfo info() const override { return inner_->info(); }
  [[nodiscard]] bool supports(Dtype dtype) const override { return inner_->supports(dtype); }
  [[nodiscard]] bool supports(const ConvProblem& problem) const override { return inner_->supports(problem); }
  [[nodiscard]] bool fuses(const SqueezeExciteProblem& problem) const override { return inner_->fuses(problem); }
  [[nodiscard]] BackendStats stats() const override { return inner_->stats(); }
  void* allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void release(void* block) noexcept override { inner_->release(block); }
  void upload(void* device, const void* host, std::size_t bytes) override { inner_->upload(device, host, bytes); }
  void download(void* host, const void* device, std::size_t bytes) override { inner_->download(host, device, bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override { inner_->copy(to, from, bytes); }
  void zero(void* device, std::size_t bytes) override { inner_->zero(device, bytes); }
  void synchronize() override { inner_->synchronize(); }
  std::unique_ptr<Stopwatch> stopwatch() override { return inner_->stopwatch(); }
  void* host_view(void* device) override { return inner_->host_view(device); }

  void conv_forward(const ConvProblem& problem, const ConvForward& args) override;
  void conv_backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) override;
  void conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw, void* dbias) override;
  std::shared_ptr<const PackedConv> pack_conv(const ConvProblem& problem, const void* w, const void* bias) override;
  void conv_forward_packed(const ConvProblem& problem, const PackedConv& packed, const ConvForward& args) override;
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
  /// As its parts where it is not fused.
  void squeeze_excite_forward(const SqueezeExciteProblem& problem, const SqueezeExciteForward& args) override;
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
  template <class Call>
  void timed(const std::string& kind, const std::string& problem, double flops, double bytes, const Call& call) {
    watch_->start();
    call();
    const double spent = watch_->stop() * 1000;
    for (Work* work : {&kinds[kind], &problems[fmt::format("{} {}", kind, problem)]}) {
      work->milliseconds += spent;
      work->flops += flops;
      work->bytes += bytes;
      ++work->calls;
    }
  }

  std::shared_ptr<Backend> inner_;
  std::unique_ptr<Stopwatch> watch_;
};

}  // namespace thaw::microscope
