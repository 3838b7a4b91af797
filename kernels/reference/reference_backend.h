#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/reference/guarded_memory.h"

namespace thaw {

/// The oracle: every call of `Backend` as a naive loop in double precision over f64, f32 or bf16 storage. Each output
/// is summed by one thread in a fixed order, so results do not depend on the thread count. Tests derive from it to
/// count calls.
class ReferenceBackend : public Backend {
 public:
  explicit ReferenceBackend(const BackendOptions& options = {});

  [[nodiscard]] std::string_view name() const override { return "reference"; }
  [[nodiscard]] DeviceInfo info() const override;
  using Backend::supports;
  [[nodiscard]] bool supports(Dtype dtype) const override;
  [[nodiscard]] BackendStats stats() const override { return memory_.stats(); }

  void* allocate(std::size_t bytes) override { return memory_.allocate(bytes); }
  void release(void* block) noexcept override { memory_.release(block); }
  void upload(void* device, const void* host, std::size_t bytes) override;
  void download(void* host, const void* device, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void zero(void* device, std::size_t bytes) override;
  void* host_view(void* device) override { return device; }
  /// With `poison`: throws `Error` (failed) if a call wrote outside a block that is live or was released since.
  void check_guards() { memory_.check(); }

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
  void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) override;
  void preprocess(const PreprocessProblem& problem, const void* pixels, void* y) override;
  [[nodiscard]] bool can_resize() const override { return true; }
  void resize_photos(int size, std::span<const PhotoCrop> crops, float* pixels) override;
  void dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) override;

  void sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, void* sums) override;
  void sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out) override;
  /// A label outside the classes counts as a loss that is not finite.
  void softmax_cross_entropy(Dtype master, int n, int classes, const void* logits, const std::int32_t* labels,
                             double gradient_scale, void* probabilities, void* dlogits, LossSums* sums) override;

  void adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) override;
  void sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) override;

 private:
  const int threads_;
  reference::GuardedMemory memory_;
};

std::shared_ptr<Backend> make_reference_backend(const BackendOptions& options);

/// What `thaw devices` says of the reference backend; always usable.
DeviceInfo reference_device();

}  // namespace thaw
