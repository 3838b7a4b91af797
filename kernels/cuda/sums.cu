#include "kernels/cuda/columns.h"

namespace thaw::cuda {

namespace {

/// Column sums, times `factor`: (segments, rows, C) -> (segments, C).
template <class T, class Y>
struct ColumnSums {
  using Sum = PlainSum<float>;
  template <int V>
  using Channels = NoChannels<V>;

  const T* x;
  Y* sums;
  int c;
  float factor;

  template <int V>
  __device__ Channels<V> load(std::int64_t, int) const {
    return {};
  }
  template <int V>
  __device__ void add(const Channels<V>&, std::int64_t element, Sum (&to)[V]) const {
    float value[V];
    cuda::load<V>(x + element, value);
#pragma unroll
    for (int i = 0; i < V; ++i) to[i].value += value[i];
  }
  __device__ void finish(std::int64_t segment, int channel, const Sum& sum) const {
    sums[segment * c + channel] = from_float<Y>(sum.value * factor);
  }
};

/// The gates' gradient: sums of dy x over the pixels of an image.
template <class T>
struct GateGradient {
  using Sum = PlainSum<float>;
  template <int V>
  using Channels = NoChannels<V>;

  const T* x;
  const T* dy;
  T* dgate;
  int c;

  template <int V>
  __device__ Channels<V> load(std::int64_t, int) const {
    return {};
  }
  template <int V>
  __device__ void add(const Channels<V>&, std::int64_t element, Sum (&to)[V]) const {
    float value[V];
    float gradient[V];
    cuda::load<V>(x + element, value);
    cuda::load<V>(dy + element, gradient);
#pragma unroll
    for (int i = 0; i < V; ++i) to[i].value += value[i] * gradient[i];
  }
  __device__ void finish(std::int64_t segment, int channel, const Sum& sum) const {
    dgate[segment * c + channel] = from_float<T>(sum.value);
  }
};

constexpr int kSquareBlock = 256;

/// The sum of 256 numbers of a block, in thread 0.
__device__ double block_sum(double mine) {
  __shared__ double values[kSquareBlock];
  values[threadIdx.x] = mine;
  for (unsigned step = kSquareBlock / 2; step > 0; step /= 2) {
    __syncthreads();
    if (threadIdx.x < step) values[threadIdx.x] += values[threadIdx.x + step];
  }
  __syncthreads();
  return values[0];
}

template <class T>
__global__ void square_chunks(std::int64_t count, const T* x, double* partial) {
  double sum = 0;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const double value = to_float(x[i]);
    sum += value * value;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void add_chunks(int chunks, const double* partial, double* out) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < chunks; i += kSquareBlock) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *out = sum;
}

}  // namespace

void sum_rows(Workspace& work, Dtype dtype, std::int64_t rows, int c, const void* x, float* sums) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    with_width<T>(c, {x}, [&](auto width) {
      reduce_columns<decltype(width)::value>(work, "sum_rows", 1, rows, c,
                                             ColumnSums<T, float>{static_cast<const T*>(x), sums, c, 1.0F});
    });
  });
}

void global_average(Workspace& work, const PoolProblem& problem, const void* x, void* y) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const std::int64_t pixels = std::int64_t{problem.h} * problem.w;
    with_width<T>(problem.c, {x}, [&](auto width) {
      reduce_columns<decltype(width)::value>(
          work, "global average pool", problem.n, pixels, problem.c,
          ColumnSums<T, T>{static_cast<const T*>(x), static_cast<T*>(y), problem.c, 1.0F / static_cast<float>(pixels)});
    });
  });
}

void scale_backward(Workspace& work, const ScaleProblem& problem, const void* x, const void* gate, const void* dy,
                    void* dx, void* dgate) {
  // First the gates' gradient: dx may be dy.
  if (dgate != nullptr) {
    with_activations(problem.dtype, [&](auto tag) {
      using T = typename decltype(tag)::Type;
      with_width<T>(problem.c, {x, dy}, [&](auto width) {
        reduce_columns<decltype(width)::value>(
            work, "scale_backward", problem.n, problem.hw, problem.c,
            GateGradient<T>{static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dgate), problem.c});
      });
    });
  }
  if (dx != nullptr) scale_forward(work.stream(), problem, dy, gate, dx);
}

void sum_squares(Workspace& work, Dtype dtype, std::int64_t count, const void* x, double* out) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const unsigned blocks = std::min(std::max(ceil_div(count, kSquareBlock * 8), 1U), 1024U);
    auto* partial = static_cast<double*>(work.scratch(blocks * sizeof(double)));
    launch({work.stream(), "sum_squares", {blocks, 1, 1}, {kSquareBlock, 1, 1}}, square_chunks<T>, count,
           static_cast<const T*>(x), partial);
    launch({work.stream(), "sum_squares", {1, 1, 1}, {kSquareBlock, 1, 1}}, add_chunks, static_cast<int>(blocks),
           static_cast<const double*>(partial), out);
  });
}

}  // namespace thaw::cuda
