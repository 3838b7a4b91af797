#include <cuda_bf16.h>

#include <algorithm>
#include <cmath>

#include "kernels/cuda/cuda_call.h"
#include "kernels/cuda/cuda_pointwise.h"
#include "kernels/pointwise.h"

namespace thaw::cuda {

namespace {

constexpr int kBlock = 256;
constexpr std::int64_t kMaxBlocks = 65535;

template <class T>
struct Tag {
  using Type = T;
};

/// Calls f with the device type of an activation dtype.
template <class F>
void with_type(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f32: f(Tag<float>{}); return;
    case Dtype::bf16: f(Tag<__nv_bfloat16>{}); return;
    case Dtype::u8: f(Tag<unsigned char>{}); return;
    default: fail_cuda_dtype(dtype);
  }
}

__device__ float load(const float* p, std::int64_t i) { return p[i]; }
__device__ float load(const __nv_bfloat16* p, std::int64_t i) { return __bfloat162float(p[i]); }
__device__ float load(const unsigned char* p, std::int64_t i) { return static_cast<float>(p[i]); }
__device__ void store(float* p, std::int64_t i, float v) { p[i] = v; }
__device__ void store(__nv_bfloat16* p, std::int64_t i, float v) { p[i] = __float2bfloat16(v); }
__device__ void store(unsigned char* p, std::int64_t i, float v) { p[i] = static_cast<unsigned char>(v); }

/// One call of `body(i)` for every i < count, in a grid-stride loop.
template <class Body>
__global__ void for_each_element(std::int64_t count, Body body) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) body(i);
}

template <class Body>
void launch(cudaStream_t stream, std::int64_t count, Body body) {
  if (count == 0) return;
  const auto blocks = static_cast<unsigned>(std::min((count + kBlock - 1) / kBlock, kMaxBlocks));
  for_each_element<<<blocks, kBlock, 0, stream>>>(count, body);
  check_cuda(cudaGetLastError(), "launch of an element-wise kernel");
}

template <class A, class T>
struct ActForward {
  const T* x;
  T* y;
  __device__ void operator()(std::int64_t i) const { store(y, i, A::value(load(x, i))); }
};

template <class A, class T>
struct ActBackward {
  const T* x;
  const T* dy;
  T* dx;
  __device__ void operator()(std::int64_t i) const { store(dx, i, load(dy, i) * A::derivative(load(x, i))); }
};

template <class T>
struct Add {
  const T* a;
  const T* b;
  T* y;
  __device__ void operator()(std::int64_t i) const { store(y, i, load(a, i) + load(b, i)); }
};

template <class T>
struct Scale {
  const T* x;
  const T* gate;
  T* y;
  std::int64_t image;  // elements of one image
  int c;
  __device__ void operator()(std::int64_t i) const { store(y, i, load(x, i) * load(gate, i / image * c + i % c)); }
};

template <class From, class To>
struct Cast {
  const From* x;
  To* y;
  __device__ void operator()(std::int64_t i) const { store(y, i, load(x, i)); }
};

template <class From, class To>
struct Prepare {
  const From* pixels;
  To* y;
  float scale;
  float offset[3];
  bool bgr;
  __device__ void operator()(std::int64_t i) const {
    const auto channel = static_cast<int>(i % 3);
    const std::int64_t source = bgr ? i - channel + 2 - channel : i;
    store(y, i, (load(pixels, source) + offset[channel]) * scale);
  }
};

template <class T>
struct Dropout {
  const T* x;
  T* y;
  float rate;
  std::uint64_t seed;
  __device__ void operator()(std::int64_t i) const {
    store(y, i, load(x, i) * pointwise::dropout_factor(rate, seed, static_cast<std::uint64_t>(i)));
  }
};

struct Adam {
  float* w;
  const float* g;
  float* m;
  float* v;
  float alpha, rest1, rest2, epsilon;
  __device__ void operator()(std::int64_t i) const {
    pointwise::adam(w[i], m[i], v[i], g[i], alpha, rest1, rest2, epsilon);
  }
};

struct Sgd {
  float* w;
  const float* g;
  float* velocity;
  float lr, momentum;
  bool nesterov;
  __device__ void operator()(std::int64_t i) const { pointwise::sgd(w[i], velocity[i], g[i], lr, momentum, nesterov); }
};

}  // namespace

void act_forward(cudaStream_t stream, Act act, Dtype dtype, std::int64_t count, const void* x, void* y) {
  with_type(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    pointwise::with_activation(act, [&](auto a) {
      launch(stream, count, ActForward<decltype(a), T>{static_cast<const T*>(x), static_cast<T*>(y)});
    });
  });
}

void act_backward(cudaStream_t stream, Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy,
                  void* dx) {
  with_type(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    pointwise::with_activation(act, [&](auto a) {
      launch(stream, count,
             ActBackward<decltype(a), T>{static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dx)});
    });
  });
}

void add(cudaStream_t stream, Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) {
  with_type(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    launch(stream, count, Add<T>{static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(y)});
  });
}

void scale_forward(cudaStream_t stream, const ScaleProblem& problem, const void* x, const void* gate, void* y) {
  with_type(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    launch(stream, problem.size(),
           Scale<T>{static_cast<const T*>(x), static_cast<const T*>(gate), static_cast<T*>(y),
                    std::int64_t{problem.hw} * problem.c, problem.c});
  });
}

void cast(cudaStream_t stream, Dtype from, Dtype to, std::int64_t count, const void* x, void* y) {
  with_type(from, [&](auto from_tag) {
    using From = typename decltype(from_tag)::Type;
    with_type(to, [&](auto to_tag) {
      using To = typename decltype(to_tag)::Type;
      launch(stream, count, Cast<From, To>{static_cast<const From*>(x), static_cast<To*>(y)});
    });
  });
}

void preprocess(cudaStream_t stream, const PreprocessProblem& problem, const void* pixels, void* y) {
  with_type(problem.input, [&](auto from_tag) {
    using From = typename decltype(from_tag)::Type;
    with_type(problem.output, [&](auto to_tag) {
      using To = typename decltype(to_tag)::Type;
      const auto offset = [&problem](int channel) { return static_cast<float>(problem.offset[channel]); };
      launch(stream, std::int64_t{problem.n} * problem.hw * 3,
             Prepare<From, To>{static_cast<const From*>(pixels),
                               static_cast<To*>(y),
                               static_cast<float>(problem.scale),
                               {offset(0), offset(1), offset(2)},
                               problem.bgr});
    });
  });
}

void dropout(cudaStream_t stream, Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x,
             void* y) {
  with_type(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    launch(stream, count, Dropout<T>{static_cast<const T*>(x), static_cast<T*>(y), rate, seed});
  });
}

void adam(cudaStream_t stream, std::span<const UpdateSlot> slots, const AdamStep& step) {
  const auto t = static_cast<double>(step.step);
  const double alpha = step.lr * std::sqrt(1 - std::pow(step.beta2, t)) / (1 - std::pow(step.beta1, t));
  for (const UpdateSlot& slot : slots) {
    launch(stream, slot.count,
           Adam{static_cast<float*>(slot.w), static_cast<const float*>(slot.g), static_cast<float*>(slot.state1),
                static_cast<float*>(slot.state2), static_cast<float>(alpha), static_cast<float>(1 - step.beta1),
                static_cast<float>(1 - step.beta2), static_cast<float>(step.epsilon)});
  }
}

void sgd(cudaStream_t stream, std::span<const UpdateSlot> slots, const SgdStep& step) {
  for (const UpdateSlot& slot : slots) {
    launch(stream, slot.count,
           Sgd{static_cast<float*>(slot.w), static_cast<const float*>(slot.g), static_cast<float*>(slot.state1),
               static_cast<float>(step.lr), static_cast<float>(step.momentum), step.nesterov});
  }
}

}  // namespace thaw::cuda
