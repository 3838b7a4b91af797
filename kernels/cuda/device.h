#pragma once

#include <cstdint>

#include "kernels/dtype.h"

// The language of thaw's own kernels. A .cu file is compiled twice: by nvcc for a GPU, and by the host's compiler for
// the emulation (emulation.h), where every thread of a block is a fiber. So kernels keep to what both know: threadIdx
// and its kin (x and y), __shared__ arrays of fixed size, __syncthreads, __threadfence and atomicAdd on unsigned.

#if !defined(THAW_EMULATION)
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "kernels/cuda/cuda_call.h"

namespace thaw::cuda {
using Stream = cudaStream_t;
}
#else
#include "kernels/cuda/emulation/emulation.h"
#endif

namespace thaw::cuda {

/// How a kernel is launched. `name` stands in the error where the launch fails.
struct Launch {
  Stream stream;
  const char* name;
  dim3 grid;
  dim3 block;
};

#if defined(__CUDACC__)
template <class... Parameters, class... Arguments>
void launch(const Launch& how, void (*kernel)(Parameters...), const Arguments&... arguments) {
  kernel<<<how.grid, how.block, 0, how.stream>>>(arguments...);
  check_cuda(cudaGetLastError(), how.name);
}

__device__ __forceinline__ float to_float(bf16 value) { return __uint_as_float(std::uint32_t{value.bits} << 16); }

template <class T>
__device__ __forceinline__ T from_float(float value) {
  if constexpr (sizeof(T) == 2) {
    T out;
    out.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
    return out;
  } else {
    return static_cast<T>(value);
  }
}
#elif defined(THAW_EMULATION)
template <class... Parameters, class... Arguments>
void launch(const Launch& how, void (*kernel)(Parameters...), const Arguments&... arguments) {
  emulation::submit([=] { emulation::run(how.name, how.grid, how.block, [&] { kernel(arguments...); }); });
}

inline float to_float(bf16 value) { return static_cast<float>(value); }

template <class T>
T from_float(float value) {
  return static_cast<T>(value);
}
#endif

#if defined(__CUDACC__) || defined(THAW_EMULATION)
__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(std::uint8_t value) { return static_cast<float>(value); }
#endif

}  // namespace thaw::cuda
