#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>

#include "kernels/backend.h"

namespace thaw::cuda {

// Launchers of the element-wise kernels: the formulas are those of kernels/pointwise.h. Activations f32 or bf16, master
// f32. Each element is read and written once.

void act_forward(cudaStream_t stream, Act act, Dtype dtype, std::int64_t count, const void* x, void* y);
void act_backward(cudaStream_t stream, Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy,
                  void* dx);
void add(cudaStream_t stream, Dtype dtype, std::int64_t count, const void* a, const void* b, void* y);
void scale_forward(cudaStream_t stream, const ScaleProblem& problem, const void* x, const void* gate, void* y);
void cast(cudaStream_t stream, Dtype from, Dtype to, std::int64_t count, const void* x, void* y);
void preprocess(cudaStream_t stream, const PreprocessProblem& problem, const void* pixels, void* y);
void dropout(cudaStream_t stream, Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x,
             void* y);
void adam(cudaStream_t stream, std::span<const UpdateSlot> slots, const AdamStep& step);
void sgd(cudaStream_t stream, std::span<const UpdateSlot> slots, const SgdStep& step);

}  // namespace thaw::cuda
