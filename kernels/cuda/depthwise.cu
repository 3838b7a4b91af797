#include "kernels/cuda/kernels.h"
#include "kernels/cuda/vectors.h"

// Depthwise convolutions, NHWC, filter (R,S,C) f32. A thread owns V channels, so that a warp reads whole lines; every
// direction sums in a fixed order. Bytes moved: x and y once (rows of a window meet in L1 and L2).

namespace thaw::cuda {

namespace {

using Index = std::int64_t;

/// Sizes of a depthwise problem; `flip` reads the filter backwards, which makes of the forward pass with stride 1 the
/// input gradient.
struct Window {
  int n, h, w, c;
  int p, q;
  int r, s, stride;
  int top, left;
  bool flip;

  [[nodiscard]] __device__ int tap(int row, int column) const {
    return flip ? (r - 1 - row) * s + (s - 1 - column) : row * s + column;
  }
};

template <class T>
struct Epilogue {
  const float* bias;
  const T* residual;
  T* y;
  Act act;  // looked up once an output, so that it does not multiply the kernels

  template <int V>
  __device__ void store(Index at, int channel, float (&value)[V]) const {
    float shift[V] = {};
    float other[V] = {};
    if (bias != nullptr) load<V>(bias + channel, shift);
    if (residual != nullptr) load<V>(residual + at, other);
    pointwise::with_activation(act, [&](auto f) {
#pragma unroll
      for (int i = 0; i < V; ++i) value[i] = f.value(value[i] + shift[i] + other[i]);
    });
    cuda::store<V>(y + at, value);
  }
};

/// `Q` outputs beside each other of one row a thread: (Q-1) U + K pixels are read for each of the K rows instead of Q
/// K.
template <int V, int K, int U, int Q, class T>
__global__ void forward_strip(Window w, const T* x, const float* filter, Epilogue<T> epilogue) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  if (channel >= w.c) return;
  const int strips = (w.q + Q - 1) / Q;
  const Index all = Index{w.n} * w.p * strips;
  const Index step = Index{gridDim.y} * blockDim.y;
  for (Index at = Index{blockIdx.y} * blockDim.y + threadIdx.y; at < all; at += step) {
    const int first_q = static_cast<int>(at % strips) * Q;
    const Index line = at / strips;  // n P + p
    const int top = static_cast<int>(line % w.p) * U - w.top;
    const int left = first_q * U - w.left;
    const T* image = x + line / w.p * w.h * w.w * w.c + channel;
    float sum[Q][V] = {};
#pragma unroll
    for (int r = 0; r < K; ++r) {
      if (top + r < 0 || top + r >= w.h) continue;
      float tap[K][V];
#pragma unroll
      for (int s = 0; s < K; ++s) load<V>(filter + Index{w.tap(r, s)} * w.c + channel, tap[s]);
      const T* row = image + Index{top + r} * w.w * w.c;
#pragma unroll
      for (int j = 0; j < (Q - 1) * U + K; ++j) {
        if (left + j < 0 || left + j >= w.w) continue;
        float value[V];
        load<V>(row + Index{left + j} * w.c, value);
#pragma unroll
        for (int i = 0; i < Q; ++i) {
          if (j - i * U < 0 || j - i * U >= K) continue;
#pragma unroll
          for (int v = 0; v < V; ++v) sum[i][v] += value[v] * tap[j - i * U][v];
        }
      }
    }
#pragma unroll
    for (int i = 0; i < Q; ++i) {
      if (first_q + i < w.q) epilogue.store((line * w.q + first_q + i) * w.c + channel, channel, sum[i]);
    }
  }
}

/// Any window and stride, one output a thread.
template <int V, class T>
__global__ void forward_any(Window w, const T* x, const float* filter, Epilogue<T> epilogue) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  if (channel >= w.c) return;
  const Index all = Index{w.n} * w.p * w.q;
  const Index step = Index{gridDim.y} * blockDim.y;
  for (Index at = Index{blockIdx.y} * blockDim.y + threadIdx.y; at < all; at += step) {
    const int top = static_cast<int>(at / w.q % w.p) * w.stride - w.top;
    const int left = static_cast<int>(at % w.q) * w.stride - w.left;
    const T* image = x + at / w.q / w.p * w.h * w.w * w.c + channel;
    float sum[V] = {};
    for (int r = 0; r < w.r; ++r) {
      if (top + r < 0 || top + r >= w.h) continue;
      for (int s = 0; s < w.s; ++s) {
        if (left + s < 0 || left + s >= w.w) continue;
        float value[V];
        float tap[V];
        load<V>(image + (Index{top + r} * w.w + left + s) * w.c, value);
        load<V>(filter + Index{w.tap(r, s)} * w.c + channel, tap);
#pragma unroll
        for (int v = 0; v < V; ++v) sum[v] += value[v] * tap[v];
      }
    }
    epilogue.store(at * w.c + channel, channel, sum);
  }
}

/// One input pixel a thread gathers from the outputs that read it.
template <int V, class T>
__global__ void gather_gradient(Window w, const float* filter, const T* dy, T* dx) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  if (channel >= w.c) return;
  const Index all = Index{w.n} * w.h * w.w;
  const Index step = Index{gridDim.y} * blockDim.y;
  for (Index at = Index{blockIdx.y} * blockDim.y + threadIdx.y; at < all; at += step) {
    const int row = static_cast<int>(at / w.w % w.h) + w.top;
    const int column = static_cast<int>(at % w.w) + w.left;
    const T* image = dy + at / w.w / w.h * w.p * w.q * w.c + channel;
    float sum[V] = {};
    for (int r = row % w.stride; r < w.r && r <= row; r += w.stride) {
      const int p = (row - r) / w.stride;
      if (p >= w.p) continue;
      for (int s = column % w.stride; s < w.s && s <= column; s += w.stride) {
        const int q = (column - s) / w.stride;
        if (q >= w.q) continue;
        float value[V];
        float tap[V];
        load<V>(image + (Index{p} * w.q + q) * w.c, value);
        load<V>(filter + (Index{r} * w.s + s) * w.c + channel, tap);
#pragma unroll
        for (int v = 0; v < V; ++v) sum[v] += value[v] * tap[v];
      }
    }
    store<V>(dx + at * w.c + channel, sum);
  }
}

/// The K x K pixels under the filter, moved along a row of outputs: each step reads K U new ones.
template <int V, int K, int U, class T>
struct Sliding {
  float value[K][K][V];

  /// Reads columns [first, K) of the window whose left edge is at `left`.
  __device__ void read(const Window& w, const T* image, int top, int left, int first) {
#pragma unroll
    for (int r = 0; r < K; ++r) {
#pragma unroll
      for (int s = 0; s < K; ++s) {
        if (s < first) continue;
        const int y = top + r;
        const int x = left + s;
        if (y >= 0 && y < w.h && x >= 0 && x < w.w) {
          load<V>(image + (Index{y} * w.w + x) * w.c, value[r][s]);
        } else {
#pragma unroll
          for (int v = 0; v < V; ++v) value[r][s][v] = 0;
        }
      }
    }
  }
  __device__ void shift() {
#pragma unroll
    for (int r = 0; r < K; ++r) {
#pragma unroll
      for (int s = 0; s + U < K; ++s) {
#pragma unroll
        for (int v = 0; v < V; ++v) value[r][s][v] = value[r][s + U][v];
      }
    }
  }
};

/// dw of a chunk of output rows: grid (channels, chunks), out (chunks, K K, C).
template <int V, int K, int U, class T>
__global__ void filter_strip(Window w, Index chunk_lines, const T* x, const T* dy, float* out) {
  __shared__ float tile[Tile::threads * V];
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  const bool inside = channel < w.c;
  const Index lines = Index{w.n} * w.p;
  const Index first = blockIdx.y * chunk_lines;
  const Index end = first + chunk_lines < lines ? first + chunk_lines : lines;
  float sum[K][K][V] = {};
  Sliding<V, K, U, T> window;
  for (Index line = first + threadIdx.y; inside && line < end; line += blockDim.y) {
    const int top = static_cast<int>(line % w.p) * U - w.top;
    const T* image = x + line / w.p * w.h * w.w * w.c + channel;
    const T* gradients = dy + line * w.q * w.c + channel;
    window.read(w, image, top, -w.left, 0);
    for (int q = 0; q < w.q; ++q) {
      if (q > 0) {
        window.shift();
        window.read(w, image, top, q * U - w.left, K - U);
      }
      float gradient[V];
      load<V>(gradients + Index{q} * w.c, gradient);
#pragma unroll
      for (int r = 0; r < K; ++r) {
#pragma unroll
        for (int s = 0; s < K; ++s) {
#pragma unroll
          for (int v = 0; v < V; ++v) sum[r][s][v] += window.value[r][s][v] * gradient[v];
        }
      }
    }
  }
  // The block's rows are added tap by tap, in pairs.
  float* mine = tile + (threadIdx.y * blockDim.x + threadIdx.x) * V;
#pragma unroll
  for (int tap = 0; tap < K * K; ++tap) {
    float(&own)[V] = sum[tap / K][tap % K];
    for (int v = 0; v < V; ++v) mine[v] = own[v];
    for (unsigned step = blockDim.y / 2; step > 0; step /= 2) {
      __syncthreads();
      if (threadIdx.y < step) {
        for (int v = 0; v < V; ++v) mine[v] += mine[step * blockDim.x * V + static_cast<unsigned>(v)];
      }
    }
    if (inside && threadIdx.y == 0) {
      for (int v = 0; v < V; ++v) out[(Index{blockIdx.y} * K * K + tap) * w.c + channel + v] = mine[v];
    }
    __syncthreads();
  }
}

/// Any window and stride: one tap and channel a thread, over a chunk of output rows.
template <class T>
__global__ void filter_any(Window w, Index chunk_lines, const T* x, const T* dy, float* out) {
  const Index cell = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  const Index cells = Index{w.r} * w.s * w.c;
  if (cell >= cells) return;
  const int channel = static_cast<int>(cell % w.c);
  const int r = static_cast<int>(cell / w.c / w.s);
  const int s = static_cast<int>(cell / w.c % w.s);
  const Index lines = Index{w.n} * w.p;
  const Index first = blockIdx.y * chunk_lines;
  const Index end = first + chunk_lines < lines ? first + chunk_lines : lines;
  float sum = 0;
  for (Index line = first; line < end; ++line) {
    const int row = static_cast<int>(line % w.p) * w.stride - w.top + r;
    if (row < 0 || row >= w.h) continue;
    for (int q = 0; q < w.q; ++q) {
      const int column = q * w.stride - w.left + s;
      if (column < 0 || column >= w.w) continue;
      sum += to_float(x[((line / w.p * w.h + row) * w.w + column) * w.c + channel]) *
             to_float(dy[(line * w.q + q) * w.c + channel]);
    }
  }
  out[blockIdx.y * cells + cell] = sum;
}

Window window_of(const ConvProblem& p) {
  return {p.n, p.h, p.w, p.c, p.p(), p.q(), p.r, p.s, p.stride, p.pad.top, p.pad.left, false};
}

/// A grid of tiles over channels and `items` beside each other; a thread takes several where there are very many.
dim3 items_grid(const Tile& tile, Index items) {
  return {tile.across(), std::max(std::min(ceil_div(items, tile.rows()), 32768U), 1U), 1};
}

constexpr int kStrip = 4;

template <class T>
void forward_of(Stream stream, const char* name, const Window& w, const T* x, const float* filter,
                const Epilogue<T>& epilogue) {
  with_width<T>(w.c, {x, filter, epilogue.bias, epilogue.residual, epilogue.y}, [&](auto width) {
    constexpr int V = decltype(width)::value;
    const Tile tile(w.c, V);
    const dim3 strips = items_grid(tile, Index{w.n} * w.p * ceil_div(w.q, kStrip));
    const auto start = [&](auto kernel, dim3 grid) {
      launch({stream, name, grid, tile.block()}, kernel, w, x, filter, epilogue);
    };
    if constexpr (V > 1) {  // a channel at a time is for odd problems, which no network has
      const bool square = w.r == w.s;
      if (square && w.r == 3 && w.stride == 1) return start(forward_strip<V, 3, 1, kStrip, T>, strips);
      if (square && w.r == 3 && w.stride == 2) return start(forward_strip<V, 3, 2, kStrip, T>, strips);
      if (square && w.r == 5 && w.stride == 1) return start(forward_strip<V, 5, 1, kStrip, T>, strips);
      if (square && w.r == 5 && w.stride == 2) return start(forward_strip<V, 5, 2, kStrip, T>, strips);
    }
    start(forward_any<V, T>, items_grid(tile, Index{w.n} * w.p * w.q));
  });
}

/// Chunks of output rows so that the GPU is full, and the rows in each.
struct Chunks {
  Chunks(const Workspace& work, Index lines, Index blocks_a_chunk, int lines_at_once) {
    const Index wanted = std::max<Index>(4 * Index{work.multiprocessors()} / blocks_a_chunk, 1);
    const Index useful = std::max<Index>(lines / (2 * lines_at_once), 1);
    lines_each = ceil_div(lines, std::min(wanted, useful));
    count = ceil_div(lines, lines_each);
  }
  Index lines_each;
  unsigned count;
};

/// Pairs for 5x5 windows and fours for 3x3 ones: K K V sums and as many pixels have to stay in registers.
template <int K>
constexpr int filter_width = K == 3 ? 4 : 2;

template <int K, int U, class T>
void filter_strips(Workspace& work, const Window& w, const T* x, const T* dy, float* dw) {
  constexpr int V = filter_width<K>;
  const Tile tile(w.c, V);
  const Chunks chunks(work, Index{w.n} * w.p, tile.across(), tile.rows());
  const std::size_t cells = std::size_t{K} * K * static_cast<std::size_t>(w.c);
  float* out = chunks.count == 1 ? dw : static_cast<float*>(work.held(chunks.count * cells * sizeof(float)));
  launch({work.stream(), "depthwise filter gradient", {tile.across(), chunks.count, 1}, tile.block()},
         filter_strip<V, K, U, T>, w, chunks.lines_each, x, dy, out);
  if (chunks.count > 1) sum_rows(work, Dtype::f32, chunks.count, static_cast<int>(cells), out, dw);
}

template <class T>
void filter_of(Workspace& work, const Window& w, const T* x, const T* dy, float* dw) {
  const bool in_strips = w.r == w.s && aligned(x) && aligned(dy);
  const bool three = in_strips && w.r == 3 && w.c % filter_width<3> == 0;
  const bool five = in_strips && w.r == 5 && w.c % filter_width<5> == 0;
  if (three && w.stride == 1) return filter_strips<3, 1>(work, w, x, dy, dw);
  if (three && w.stride == 2) return filter_strips<3, 2>(work, w, x, dy, dw);
  if (five && w.stride == 1) return filter_strips<5, 1>(work, w, x, dy, dw);
  if (five && w.stride == 2) return filter_strips<5, 2>(work, w, x, dy, dw);
  const Index cells = Index{w.r} * w.s * w.c;
  const Chunks chunks(work, Index{w.n} * w.p, ceil_div(cells, 256), 1);
  float* out = chunks.count == 1
                   ? dw
                   : static_cast<float*>(work.held(chunks.count * static_cast<std::size_t>(cells) * sizeof(float)));
  launch({work.stream(), "depthwise filter gradient", {ceil_div(cells, 256), chunks.count, 1}, {256, 1, 1}},
         filter_any<T>, w, chunks.lines_each, x, dy, out);
  if (chunks.count > 1) sum_rows(work, Dtype::f32, chunks.count, static_cast<int>(cells), out, dw);
}

}  // namespace

void depthwise_forward(Stream stream, const ConvProblem& problem, const ConvForward& args) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const Epilogue<T> epilogue{problem.bias ? static_cast<const float*>(args.bias) : nullptr,
                               problem.residual ? static_cast<const T*>(args.residual) : nullptr,
                               static_cast<T*>(args.y), problem.act};
    forward_of<T>(stream, "depthwise forward", window_of(problem), static_cast<const T*>(args.x),
                  static_cast<const float*>(args.w), epilogue);
  });
}

void depthwise_backward_data(Stream stream, const ConvProblem& problem, const float* w, const void* dy, void* dx) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const auto* gradients = static_cast<const T*>(dy);
    auto* out = static_cast<T*>(dx);
    const Window window = window_of(problem);
    if (problem.stride == 1) {
      const Window back{window.n,
                        window.p,
                        window.q,
                        window.c,
                        window.h,
                        window.w,
                        window.r,
                        window.s,
                        1,
                        window.r - 1 - window.top,
                        window.s - 1 - window.left,
                        true};
      forward_of<T>(stream, "depthwise input gradient", back, gradients, w,
                    Epilogue<T>{nullptr, nullptr, out, Act::linear});
      return;
    }
    with_width<T>(problem.c, {w, dy, dx}, [&](auto width) {
      constexpr int V = decltype(width)::value;
      const Tile tile(problem.c, V);
      launch({stream, "depthwise input gradient", items_grid(tile, Index{problem.n} * problem.h * problem.w),
              tile.block()},
             gather_gradient<V, T>, window, w, gradients, out);
    });
  });
}

void depthwise_backward_filter(Workspace& work, const ConvProblem& problem, const void* x, const void* dy, float* dw) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    filter_of<T>(work, window_of(problem), static_cast<const T*>(x), static_cast<const T*>(dy), dw);
  });
}

}  // namespace thaw::cuda
