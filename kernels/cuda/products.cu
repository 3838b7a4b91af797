#include "kernels/cuda/kernels.h"
#include "kernels/cuda/vectors.h"

// Any convolution as out(m, j) = sum over d of a(m, d) b(j, d), with operands that are read through the geometry of the
// problem instead of being laid out. 64 x 64 results a block, 8 x 8 a thread. A safety net: cuDNN's plans are faster.

namespace thaw::cuda {

namespace {

using Index = std::int64_t;

struct Geometry {
  int n, h, w, c;
  int p, q, k;
  int r, s, stride;
  int top, left;
  int group_c, group_k;
  int group = 0;

  /// Element of x under tap (row, column) of output pixel `pixel` of (N,P,Q), of the group's channel; 0 outside.
  template <class T>
  __device__ float input(const T* x, Index pixel, int row, int column, int channel) const {
    const int y = static_cast<int>(pixel / q % p) * stride - top + row;
    const int at = static_cast<int>(pixel % q) * stride - left + column;
    if (y < 0 || y >= h || at < 0 || at >= w) return 0;
    return to_float(x[((pixel / q / p * h + y) * w + at) * c + group * group_c + channel]);
  }
  /// Element of dy that reads input pixel `pixel` of (N,H,W) through tap (row, column); 0 where there is none.
  template <class T>
  __device__ float output(const T* dy, Index pixel, int row, int column, int channel) const {
    const int y = static_cast<int>(pixel / w % h) + top - row;
    const int at = static_cast<int>(pixel % w) + left - column;
    if (y < 0 || at < 0 || y % stride != 0 || at % stride != 0 || y / stride >= p || at / stride >= q) return 0;
    return to_float(dy[((pixel / w / h * p + y / stride) * q + at / stride) * k + group * group_k + channel]);
  }
};

/// y(pixel, k): windows times filters.
template <class A, class T>
struct ForwardTerms {
  Geometry g;
  const T* x;
  const float* filter;
  const float* bias;
  const T* residual;
  T* y;

  [[nodiscard]] __device__ Index rows() const { return Index{g.n} * g.p * g.q; }
  [[nodiscard]] __device__ int columns() const { return g.group_k; }
  [[nodiscard]] __device__ Index depth() const { return Index{g.r} * g.s * g.group_c; }
  __device__ float a(Index pixel, Index d) const {
    const auto tap = static_cast<int>(d / g.group_c);
    return g.input(x, pixel, tap / g.s, tap % g.s, static_cast<int>(d % g.group_c));
  }
  __device__ float b(int j, Index d) const { return filter[(Index{g.group} * g.group_k + j) * depth() + d]; }
  __device__ void store(unsigned, Index pixel, int j, float sum) const {
    const int channel = g.group * g.group_k + j;
    const Index at = pixel * g.k + channel;
    if (bias != nullptr) sum += bias[channel];
    if (residual != nullptr) sum += to_float(residual[at]);
    y[at] = from_float<T>(A::value(sum));
  }
};

/// dx(pixel, c): gathered gradients times filters.
template <class T>
struct DataTerms {
  Geometry g;
  const float* filter;
  const T* dy;
  T* dx;

  [[nodiscard]] __device__ Index rows() const { return Index{g.n} * g.h * g.w; }
  [[nodiscard]] __device__ int columns() const { return g.group_c; }
  [[nodiscard]] __device__ Index depth() const { return Index{g.r} * g.s * g.group_k; }
  __device__ float a(Index pixel, Index d) const {
    const auto tap = static_cast<int>(d / g.group_k);
    return g.output(dy, pixel, tap / g.s, tap % g.s, static_cast<int>(d % g.group_k));
  }
  __device__ float b(int j, Index d) const {
    const Index tap = d / g.group_k;
    const Index k = Index{g.group} * g.group_k + d % g.group_k;
    return filter[(k * g.r * g.s + tap) * g.group_c + j];
  }
  __device__ void store(unsigned, Index pixel, int j, float sum) const {
    dx[pixel * g.c + g.group * g.group_c + j] = from_float<T>(sum);
  }
};

/// dw(k, (r,s,c)) of one chunk of output pixels; chunks lie behind each other in `out`.
template <class T>
struct FilterTerms {
  Geometry g;
  const T* x;
  const T* dy;
  float* out;

  [[nodiscard]] __device__ Index rows() const { return g.group_k; }
  [[nodiscard]] __device__ int columns() const { return g.r * g.s * g.group_c; }
  [[nodiscard]] __device__ Index depth() const { return Index{g.n} * g.p * g.q; }
  __device__ float a(Index k, Index pixel) const { return to_float(dy[pixel * g.k + g.group * g.group_k + k]); }
  __device__ float b(int j, Index pixel) const {
    const int tap = j / g.group_c;
    return g.input(x, pixel, tap / g.s, tap % g.s, j % g.group_c);
  }
  __device__ void store(unsigned chunk, Index k, int j, float sum) const {
    out[(Index{chunk} * g.k + g.group * g.group_k + k) * columns() + j] = sum;
  }
};

constexpr int kSide = 64;   // results of a block, either way
constexpr int kDepth = 32;  // terms at once
constexpr int kCell = 8;    // results of a thread, either way
constexpr int kThreads = (kSide / kCell) * (kSide / kCell);

/// Grid (row tiles, column tiles, chunks of depth).
template <class Terms>
__global__ void multiply(Terms terms, Index chunk_depth) {
  __shared__ float left[kDepth][kSide + 1];
  __shared__ float right[kDepth][kSide + 1];
  const auto thread = static_cast<int>(threadIdx.x);
  const Index first_row = Index{blockIdx.x} * kSide;
  const int first_column = static_cast<int>(blockIdx.y) * kSide;
  const Index begin = Index{blockIdx.z} * chunk_depth;
  const Index end = begin + chunk_depth < terms.depth() ? begin + chunk_depth : terms.depth();
  const int row = thread / (kSide / kCell) * kCell;
  const int column = thread % (kSide / kCell) * kCell;
  float sum[kCell][kCell] = {};
  for (Index d = begin; d < end; d += kDepth) {
    for (int i = thread; i < kSide * kDepth; i += kThreads) {
      const Index deep = d + i % kDepth;
      const int at = i / kDepth;
      const bool inside = deep < end;
      left[i % kDepth][at] = inside && first_row + at < terms.rows() ? terms.a(first_row + at, deep) : 0.0F;
      right[i % kDepth][at] = inside && first_column + at < terms.columns() ? terms.b(first_column + at, deep) : 0.0F;
    }
    __syncthreads();
    for (int deep = 0; deep < kDepth; ++deep) {
#pragma unroll
      for (int i = 0; i < kCell; ++i) {
#pragma unroll
        for (int j = 0; j < kCell; ++j) sum[i][j] += left[deep][row + i] * right[deep][column + j];
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < kCell; ++i) {
    if (first_row + row + i >= terms.rows()) break;
    for (int j = 0; j < kCell && first_column + column + j < terms.columns(); ++j) {
      terms.store(blockIdx.z, first_row + row + i, first_column + column + j, sum[i][j]);
    }
  }
}

Geometry geometry_of(const ConvProblem& p) {
  return {p.n, p.h, p.w,      p.c,       p.p(),      p.q(),          p.k,
          p.r, p.s, p.stride, p.pad.top, p.pad.left, p.c / p.groups, p.k / p.groups};
}

template <class Terms>
void start(Stream stream, const char* name, Terms terms, int groups, Index rows, Index columns, Index chunk_depth,
           unsigned chunks) {
  for (terms.g.group = 0; terms.g.group < groups; ++terms.g.group) {
    launch({stream, name, {ceil_div(rows, kSide), ceil_div(columns, kSide), chunks}, {kThreads, 1, 1}}, multiply<Terms>,
           terms, chunk_depth);
  }
}

}  // namespace

void product_forward(Stream stream, const ConvProblem& problem, const ConvForward& args) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    pointwise::with_activation(problem.act, [&](auto act) {
      const Geometry g = geometry_of(problem);
      const ForwardTerms<decltype(act), T> terms{g,
                                                 static_cast<const T*>(args.x),
                                                 static_cast<const float*>(args.w),
                                                 problem.bias ? static_cast<const float*>(args.bias) : nullptr,
                                                 problem.residual ? static_cast<const T*>(args.residual) : nullptr,
                                                 static_cast<T*>(args.y)};
      const Index depth = Index{g.r} * g.s * g.group_c;
      start(stream, "convolution", terms, problem.groups, problem.output_size() / g.k, g.group_k, depth, 1);
    });
  });
}

void product_backward_data(Stream stream, const ConvProblem& problem, const float* w, const void* dy, void* dx) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const Geometry g = geometry_of(problem);
    const Index depth = Index{g.r} * g.s * g.group_k;
    start(stream, "convolution's input gradient", DataTerms<T>{g, w, static_cast<const T*>(dy), static_cast<T*>(dx)},
          problem.groups, problem.input_size() / g.c, g.group_c, depth, 1);
  });
}

void product_backward_filter(Workspace& work, const ConvProblem& problem, const void* x, const void* dy, float* dw) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const Geometry g = geometry_of(problem);
    const Index pixels = problem.output_size() / g.k;
    const Index columns = Index{g.r} * g.s * g.group_c;
    const Index tiles = Index{ceil_div(g.group_k, kSide)} * ceil_div(columns, kSide);
    const Index wanted = std::max<Index>(2 * Index{work.multiprocessors()} / tiles, 1);
    const Index chunk = ceil_div(pixels, std::min<Index>(wanted, ceil_div(pixels, 8 * kDepth)));
    const unsigned chunks = ceil_div(pixels, chunk);
    const auto cells = static_cast<std::size_t>(problem.filter_size());
    float* out = chunks == 1 ? dw : static_cast<float*>(work.held(chunks * cells * sizeof(float)));
    start(work.stream(), "convolution's filter gradient",
          FilterTerms<T>{g, static_cast<const T*>(x), static_cast<const T*>(dy), out}, problem.groups, g.group_k,
          columns, chunk, chunks);
    if (chunks > 1) sum_rows(work, Dtype::f32, chunks, static_cast<int>(cells), out, dw);
  });
}

}  // namespace thaw::cuda
