#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/cuda_memory.h"

namespace thaw {

/// The GPU backend as far as it goes: memory, transfers and the element-wise calls. Convolutions, norms, pooling, dense
/// layers and reductions are not offered yet, so no network runs on it and `devices()` calls it not usable.
class CudaBackend : public Backend {
 public:
  explicit CudaBackend(int device);

  [[nodiscard]] std::string_view name() const override { return "cuda"; }
  [[nodiscard]] DeviceInfo info() const override;
  [[nodiscard]] bool supports(Dtype dtype) const override { return dtype == Dtype::f32 || dtype == Dtype::bf16; }
  [[nodiscard]] bool supports(const ConvProblem&) const override { return false; }
  [[nodiscard]] BackendStats stats() const override { return memory_.stats(); }

  void* allocate(std::size_t bytes) override { return memory_.allocate(bytes); }
  void release(void* block) noexcept override { memory_.release(block); }
  void upload(void* device, const void* host, std::size_t bytes) override;
  void download(void* host, const void* device, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void zero(void* device, std::size_t bytes) override;
  void synchronize() override;

  void act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y) override;
  void act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx) override;
  void add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) override;
  void scale_forward(const ScaleProblem& problem, const void* x, const void* gate, void* y) override;
  void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) override;
  void preprocess(const PreprocessProblem& problem, const void* pixels, void* y) override;
  void dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) override;
  void adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) override;
  void sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) override;

 private:
  int device_;
  CudaMemory memory_;
};

}  // namespace thaw
