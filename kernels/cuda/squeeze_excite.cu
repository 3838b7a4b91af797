#include "kernels/cuda/kernels.h"
#include "kernels/cuda/vectors.h"

// Squeeze-and-excite in three launches: the mean that pooling has, the layer to few channels, and the layer back to
// many together with the scaling, whose pixels are what moves most. Sums are f32, what is written is rounded once, and
// an activation is one of the rounded number, as the separate calls have it.

namespace thaw::cuda {

namespace {

using Index = std::int64_t;

// A block of both kernels has 64 results of its layer: 8 by 8 threads' rows, each row 32 lanes over the terms.
constexpr int kLanes = 32;
constexpr int kRows = 8;
constexpr int kEach = 8;  // results of a thread's row
constexpr int kResults = kRows * kEach;
constexpr int kThreads = kLanes * kRows;

using Parts = float[kResults][kLanes + 1];

/// The lanes' parts of a result, in their order.
__device__ float sum_of(const Parts& parts, int result) {
  float sum = 0;
#pragma unroll
  for (int lane = 0; lane < kLanes; ++lane) sum += parts[result][lane];
  return sum;
}

template <class T>
__device__ void put(T* to, Index at, T value) {
  if (to != nullptr) to[at] = value;
}

/// Rows of a block are filters, and its results theirs for eight images: a weight is loaded once for all of them.
/// Moves filters and means, each as often as there are blocks the other way.
template <class T>
__global__ void reduce_channels(int n, int c, int k, const T* pooled, const float* filter, const float* bias,
                                T* reduced, T* squeezed) {
  __shared__ Parts parts;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int row = static_cast<int>(threadIdx.x) / kLanes;
  const int first_filter = static_cast<int>(blockIdx.x) * kRows;
  const int first_image = static_cast<int>(blockIdx.y) * kEach;
  float sum[kEach] = {};
  if (first_filter + row < k) {
    const float* weights = filter + Index{first_filter + row} * c;
#pragma unroll 4
    for (int channel = lane; channel < c; channel += kLanes) {
      const float weight = weights[channel];
#pragma unroll
      for (int j = 0; j < kEach; ++j) {
        const Index image = first_image + j < n ? first_image + j : n - 1;
        sum[j] += weight * to_float(pooled[image * c + channel]);
      }
    }
  }
  for (int j = 0; j < kEach; ++j) parts[row * kEach + j][lane] = sum[j];
  __syncthreads();
  const auto result = static_cast<int>(threadIdx.x);
  const int at = first_filter + result / kEach;
  const int image = first_image + result % kEach;
  if (result >= kResults || at >= k || image >= n) return;
  const T before = from_float<T>(sum_of(parts, result) + bias[at]);
  put(reduced, Index{image} * k + at, before);
  squeezed[Index{image} * k + at] = from_float<T>(pointwise::Activation<Act::relu>::value(to_float(before)));
}

/// Grid: (64 channels, slices of the pixels, images). A block works out the gates of its channels, which takes little
/// beside its pixels, and scales. Moves x and y once, and the filter once an image and slice.
template <int V, class T>
__global__ void expand_and_scale(int pixels, int slice, int c, int k, const T* x, const T* squeezed,
                                 const float* filter, const float* bias, T* expanded, T* gate, T* y) {
  __shared__ Parts parts;
  __shared__ float factors[kResults];
  const auto thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kLanes;
  const int row = thread / kLanes;
  const int first_channel = static_cast<int>(blockIdx.x) * kResults;
  const Index image = blockIdx.z;
  float sum[kEach] = {};
#pragma unroll 2
  for (int i = lane; i < k; i += kLanes) {
    const float value = to_float(squeezed[image * k + i]);
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int channel = first_channel + row * kEach + j;
      sum[j] += value * filter[Index{channel < c ? channel : c - 1} * k + i];
    }
  }
  for (int j = 0; j < kEach; ++j) parts[row * kEach + j][lane] = sum[j];
  __syncthreads();
  if (thread < kResults && first_channel + thread < c) {
    const int channel = first_channel + thread;
    const T before = from_float<T>(sum_of(parts, thread) + bias[channel]);
    const T after = from_float<T>(pointwise::Activation<Act::hard_sigmoid>::value(to_float(before)));
    factors[thread] = to_float(after);
    if (blockIdx.y == 0) {
      put(expanded, image * c + channel, before);
      put(gate, image * c + channel, after);
    }
  }
  __syncthreads();
  constexpr int lanes = kResults / V;
  const int own = thread % lanes * V;
  const int channel = first_channel + own;
  if (channel >= c) return;
  float factor[V];
#pragma unroll
  for (int i = 0; i < V; ++i) factor[i] = factors[own + i];
  const int first = static_cast<int>(blockIdx.y) * slice;
  const int end = first + slice < pixels ? first + slice : pixels;
#pragma unroll 4
  for (int pixel = first + thread / lanes; pixel < end; pixel += kThreads / lanes) {
    const Index at = (image * pixels + pixel) * c + channel;
    float value[V];
    load<V>(x + at, value);
#pragma unroll
    for (int i = 0; i < V; ++i) value[i] *= factor[i];
    store<V>(y + at, value);
  }
}

/// Pixels of a block: enough blocks to fill the GPU twice over, none with fewer than four pixels a thread.
int slice_of(const Workspace& work, const SqueezeExciteProblem& problem, int rows) {
  const int pixels = problem.h * problem.w;
  const Index others = Index{ceil_div(problem.c, kResults)} * problem.n;
  const Index wanted = 2 * Index{work.multiprocessors()} / others;
  const Index useful = ceil_div(pixels, Index{rows} * 4);
  return static_cast<int>(ceil_div(pixels, std::max<Index>(std::min(wanted, useful), 1)));
}

}  // namespace

void squeeze_excite_forward(Workspace& work, const SqueezeExciteProblem& problem, const SqueezeExciteForward& args) {
  const std::size_t pooled_bytes =
      (static_cast<std::size_t>(problem.n) * static_cast<std::size_t>(problem.c) * size_of(problem.dtype) + 15) / 16 *
      16;
  const std::size_t squeezed_bytes =
      static_cast<std::size_t>(problem.n) * static_cast<std::size_t>(problem.k) * size_of(problem.dtype);
  const bool all_wanted = args.pooled != nullptr && args.squeezed != nullptr;
  auto* between = static_cast<std::byte*>(all_wanted ? nullptr : work.held(pooled_bytes + squeezed_bytes));
  void* pooled = args.pooled != nullptr ? args.pooled : between;
  void* squeezed = args.squeezed != nullptr ? args.squeezed : between + pooled_bytes;
  global_average(work, problem.pool(), args.x, pooled);
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const dim3 layer{ceil_div(problem.k, kRows), ceil_div(problem.n, kEach), 1};
    launch({work.stream(), "reduce_channels", layer, {kThreads, 1, 1}}, reduce_channels<T>, problem.n, problem.c,
           problem.k, static_cast<const T*>(pooled), static_cast<const float*>(args.reduce),
           static_cast<const float*>(args.reduce_bias), static_cast<T*>(args.reduced), static_cast<T*>(squeezed));
    with_width<T>(problem.c, {args.x, args.y}, [&](auto width) {
      constexpr int V = decltype(width)::value;
      const int pixels = problem.h * problem.w;
      const int slice = slice_of(work, problem, kThreads / (kResults / V));
      const dim3 grid{ceil_div(problem.c, kResults), ceil_div(pixels, slice), static_cast<unsigned>(problem.n)};
      launch({work.stream(), "expand_and_scale", grid, {kThreads, 1, 1}}, expand_and_scale<V, T>, pixels, slice,
             problem.c, problem.k, static_cast<const T*>(args.x), static_cast<const T*>(squeezed),
             static_cast<const float*>(args.expand), static_cast<const float*>(args.expand_bias),
             static_cast<T*>(args.expanded), static_cast<T*>(args.gate), static_cast<T*>(args.y));
    });
  });
}

}  // namespace thaw::cuda
