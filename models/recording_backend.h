#pragma once

#include <map>
#include <unordered_map>

#include "kernels/backend.h"

namespace thaw {

/// What a network asked of its backend.
/// `part`: forward, within a call for more than a convolution, and so not a library's business.
enum class ConvCallKind : std::uint8_t { forward, fused, data, filter, part };
std::string_view name_of(ConvCallKind kind);  ///< "forward", "fused", "data", "filter", "part"

/// One distinct convolution call and how often it came.
struct ConvCall {
  ConvProblem problem;
  ConvCallKind kind = ConvCallKind::forward;
  bool casts_filter = false;  ///< to the activations' type, as no copy of that type is beside it
  int count = 1;
};

/// One distinct norm call and how often it came.
struct NormCall {
  NormProblem problem;
  bool backward = false;
  int count = 1;
};

/// A backend that computes nothing and has no memory: addresses are handed out and counted but lead nowhere, values
/// that are read are zeros. A step of any network in any batch takes milliseconds and tells what it would ask of a real
/// one. Blocks are counted in multiples of 512 bytes, as CUDA's pools hand them out.
class RecordingBackend : public Backend {
 public:
  /// `as_cuda`: squeeze-excites are one call, and filters of bf16 convolutions that an optimizer updates have bf16
  /// copies beside them from their first update on.
  explicit RecordingBackend(bool as_cuda = false) : as_cuda_(as_cuda) {}

  /// Distinct calls since `clear_calls`, in order of their first appearance.
  [[nodiscard]] const std::vector<ConvCall>& conv_calls() const { return calls_; }
  [[nodiscard]] const std::vector<NormCall>& norm_calls() const { return norms_; }
  void clear_calls() {
    calls_.clear();
    norms_.clear();
  }
  /// Forgets the peak: it is now what is in use.
  void reset_peak() { stats_.peak_bytes = stats_.used_bytes; }
  /// Bytes of the filters' copies in bf16.
  [[nodiscard]] std::size_t filter_copy_bytes() const;

  [[nodiscard]] std::string_view name() const override { return "recording"; }
  [[nodiscard]] DeviceInfo info() const override;
  [[nodiscard]] bool supports(Dtype) const override { return true; }
  [[nodiscard]] bool fuses(const SqueezeExciteProblem&) const override { return as_cuda_; }
  [[nodiscard]] BackendStats stats() const override { return stats_; }

  void* allocate(std::size_t bytes) override;
  void release(void* block) noexcept override;
  void upload(void*, const void*, std::size_t) override {}
  void download(void* host, const void* device, std::size_t bytes) override;
  void copy(void*, const void*, std::size_t) override {}
  void zero(void*, std::size_t) override {}

  void conv_forward(const ConvProblem& problem, const ConvForward& args) override {
    note(problem, ConvCallKind::forward, wants_cast(problem, args.w));
  }
  void conv_backward_data(const ConvProblem& problem, const void* w, const void*, void*) override {
    note(problem, ConvCallKind::data, wants_cast(problem, w));
  }
  void conv_backward_filter(const ConvProblem& problem, const void*, const void*, void*, void*) override {
    note(problem, ConvCallKind::filter);
  }
  /// Holds a filter of the activations' type and a bias.
  std::shared_ptr<const PackedConv> pack_conv(const ConvProblem& problem, const void*, const void*) override;
  void conv_forward_packed(const ConvProblem& problem, const PackedConv&, const ConvForward&) override {
    note(problem, ConvCallKind::fused);
  }

  void norm_forward(const NormProblem& problem, const NormForward&) override { note(problem, false); }
  void norm_backward(const NormProblem& problem, const NormBackward&) override { note(problem, true); }
  void act_forward(Act, Dtype, std::int64_t, const void*, void*) override {}
  void act_backward(Act, Dtype, std::int64_t, const void*, const void*, void*) override {}
  void pool_forward(const PoolProblem&, const void*, void*, std::int32_t*) override {}
  void pool_backward(const PoolProblem&, const void*, const std::int32_t*, void*) override {}
  void pad_forward(int, int, int, int, const Pad&, Dtype, const void*, void*) override {}
  void pad_backward(int, int, int, int, const Pad&, Dtype, const void*, void*) override {}
  void dense_forward(const DenseProblem&, const void*, const void*, const void*, void*) override {}
  void dense_backward_data(const DenseProblem&, const void*, const void*, void*) override {}
  void dense_backward_weights(const DenseProblem&, const void*, const void*, void*, void*) override {}
  void add(Dtype, std::int64_t, const void*, const void*, void*) override {}
  void scale_forward(const ScaleProblem&, const void*, const void*, void*) override {}
  void scale_backward(const ScaleProblem&, const void*, const void*, const void*, void*, void*) override {}
  void squeeze_excite_forward(const SqueezeExciteProblem& problem, const SqueezeExciteForward& args) override;
  void cast(Dtype, Dtype, std::int64_t, const void*, void*) override {}
  void preprocess(const PreprocessProblem&, const void*, void*) override {}
  void dropout(Dtype, std::int64_t, float, std::uint64_t, const void*, void*) override {}
  void sum_rows(Dtype, std::int64_t, int, const void*, void*) override {}
  void sum_squares(Dtype, std::int64_t, const void*, double*) override {}
  void softmax_cross_entropy(Dtype, int, int, const void*, const std::int32_t*, double, void*, void*,
                             LossSums*) override {}
  void adam(Dtype, std::span<const UpdateSlot> slots, const AdamStep&) override { make_copies(slots); }
  void sgd(Dtype, std::span<const UpdateSlot> slots, const SgdStep&) override { make_copies(slots); }

 private:
  void note(const ConvProblem& problem, ConvCallKind kind, bool casts_filter = false);
  /// Whether the filter has another type than the activations and no copy yet; the optimizer's next update makes one.
  bool wants_cast(const ConvProblem& problem, const void* filter);
  void make_copies(std::span<const UpdateSlot> slots);
  void note(const NormProblem& problem, bool backward);

  bool as_cuda_;
  std::vector<ConvCall> calls_;
  std::vector<NormCall> norms_;
  BackendStats stats_;
  std::uintptr_t next_ = std::uintptr_t{1} << 40;
  std::unordered_map<void*, std::size_t> sizes_;
  std::map<const void*, void*> copies_;  // of filters; null where one is only wanted
};

}  // namespace thaw
