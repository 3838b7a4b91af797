#include "kernels/cuda/kernels.h"
#include "kernels/cuda/vectors.h"

namespace thaw::cuda {

namespace {

using Index = std::int64_t;

/// V elements of one input, as numbers.
template <int V, class X>
struct Lanes {
  float value[V];
};

/// y[i] = op(i, x[i]...), V elements a thread; the elements that fill no vector go to the last threads one by one. y
/// may be an x.
template <int V, class Op, class Y, class... X>
__global__ void map(Index count, Op op, Y* y, const X*... x) {
  const Index thread = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  const Index vectors = count / V;
  if (thread < vectors) {
    const Index first = thread * V;
    float out[V];
    const auto compute = [&](Lanes<V, X>... in) {
      (load<V>(x + first, in.value), ...);
#pragma unroll
      for (int i = 0; i < V; ++i) out[i] = op(first + i, in.value[i]...);
    };
    compute(Lanes<V, X>{}...);
    store<V>(y + first, out);
  } else if (const Index i = vectors * V + (thread - vectors); i < count) {
    y[i] = from_float<Y>(op(i, to_float(x[i])...));
  }
}

/// Reads and writes each element once, in the widest pieces that the types and addresses allow.
template <class Op, class Y, class... X>
void launch_map(Stream stream, const char* name, Index count, const Op& op, Y* y, const X*... x) {
  if (count == 0) return;
  constexpr int wide = std::min({widest<Y>, widest<X>...});
  const bool all_aligned = aligned(y) && (aligned(x) && ...);
  const auto blocks = [](Index threads) { return dim3{ceil_div(threads, 256), 1, 1}; };
  if (all_aligned) {
    launch({stream, name, blocks(count / wide + count % wide), {256, 1, 1}}, map<wide, Op, Y, X...>, count, op, y,
           x...);
  } else {
    launch({stream, name, blocks(count), {256, 1, 1}}, map<1, Op, Y, X...>, count, op, y, x...);
  }
}

template <class A>
struct ActForward {
  __device__ float operator()(Index, float x) const { return A::value(x); }
};

template <class A>
struct ActBackward {
  __device__ float operator()(Index, float x, float dy) const { return dy * A::derivative(x); }
};

struct Add {
  __device__ float operator()(Index, float a, float b) const { return a + b; }
};

struct Same {
  __device__ float operator()(Index, float x) const { return x; }
};

struct Dropout {
  float rate;
  std::uint64_t seed;
  __device__ float operator()(Index i, float x) const {
    return x * pointwise::dropout_factor(rate, seed, static_cast<std::uint64_t>(i));
  }
};

template <class From, class To>
__global__ void prepare_pixels(Index count, float scale, float offset0, float offset1, float offset2, bool bgr,
                               const From* pixels, To* y) {
  const Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const auto channel = static_cast<int>(i % 3);
  const Index source = bgr ? i + 2 - 2 * channel : i;
  const float offset = channel == 0 ? offset0 : (channel == 1 ? offset1 : offset2);
  y[i] = from_float<To>((to_float(pixels[source]) + offset) * scale);
}

/// y (rows,C) = act(x + bias + residual); x may be y. A thread keeps its channels.
template <int V, class A, class X, class T>
__global__ void finish_rows(Index rows, int c, const X* x, const float* bias, const T* residual, T* y) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  if (channel >= c) return;
  float shift[V] = {};
  if (bias != nullptr) load<V>(bias + channel, shift);
  const Index step = Index{gridDim.y} * blockDim.y;
  for (Index row = Index{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += step) {
    float value[V];
    load<V>(x + row * c + channel, value);
    float other[V] = {};
    if (residual != nullptr) load<V>(residual + row * c + channel, other);
#pragma unroll
    for (int i = 0; i < V; ++i) value[i] = A::value(value[i] + shift[i] + other[i]);
    store<V>(y + row * c + channel, value);
  }
}

/// One image a block in z. (N,HW,C) times (N,C).
template <int V, class T>
__global__ void scale_rows(int hw, int c, const T* x, const T* gate, T* y) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  if (channel >= c) return;
  float factor[V];
  load<V>(gate + Index{blockIdx.z} * c + channel, factor);
  const Index image = Index{blockIdx.z} * hw;
  for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < static_cast<unsigned>(hw);
       row += gridDim.y * blockDim.y) {
    float value[V];
    load<V>(x + (image + row) * c + channel, value);
#pragma unroll
    for (int i = 0; i < V; ++i) value[i] *= factor[i];
    store<V>(y + (image + row) * c + channel, value);
  }
}

}  // namespace

void act_forward(Stream stream, Act act, Dtype dtype, Index count, const void* x, void* y) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    pointwise::with_activation(act, [&](auto a) {
      launch_map(stream, "act_forward", count, ActForward<decltype(a)>{}, static_cast<T*>(y), static_cast<const T*>(x));
    });
  });
}

void act_backward(Stream stream, Act act, Dtype dtype, Index count, const void* x, const void* dy, void* dx) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    pointwise::with_activation(act, [&](auto a) {
      launch_map(stream, "act_backward", count, ActBackward<decltype(a)>{}, static_cast<T*>(dx),
                 static_cast<const T*>(x), static_cast<const T*>(dy));
    });
  });
}

void add(Stream stream, Dtype dtype, Index count, const void* a, const void* b, void* y) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    launch_map(stream, "add", count, Add{}, static_cast<T*>(y), static_cast<const T*>(a), static_cast<const T*>(b));
  });
}

void cast(Stream stream, Dtype from, Dtype to, Index count, const void* x, void* y) {
  with_elements(from, [&](auto from_tag) {
    using From = typename decltype(from_tag)::Type;
    with_activations(to, [&](auto to_tag) {
      using To = typename decltype(to_tag)::Type;
      launch_map(stream, "cast", count, Same{}, static_cast<To*>(y), static_cast<const From*>(x));
    });
  });
}

void dropout(Stream stream, Dtype dtype, Index count, float rate, std::uint64_t seed, const void* x, void* y) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    launch_map(stream, "dropout", count, Dropout{rate, seed}, static_cast<T*>(y), static_cast<const T*>(x));
  });
}

void preprocess(Stream stream, const PreprocessProblem& problem, const void* pixels, void* y) {
  with_elements(problem.input, [&](auto from_tag) {
    using From = typename decltype(from_tag)::Type;
    with_activations(problem.output, [&](auto to_tag) {
      using To = typename decltype(to_tag)::Type;
      const Index count = Index{problem.n} * problem.hw * 3;
      const auto offset = [&problem](int channel) { return static_cast<float>(problem.offset[channel]); };
      launch({stream, "preprocess", {ceil_div(count, 256), 1, 1}, {256, 1, 1}}, prepare_pixels<From, To>, count,
             static_cast<float>(problem.scale), offset(0), offset(1), offset(2), problem.bgr,
             static_cast<const From*>(pixels), static_cast<To*>(y));
    });
  });
}

template <class X, class T>
void finish(Stream stream, Act act, Index rows, int c, const X* x, const float* bias, const T* residual, T* y) {
  with_width<T>(c, {x, bias, residual, y}, [&](auto width) {
    constexpr int V = decltype(width)::value;
    const Tile tile(c, V);
    const dim3 grid{tile.across(), std::min(ceil_div(rows, tile.rows() * 4), 4096U), 1};
    pointwise::with_activation(act, [&](auto a) {
      launch({stream, "epilogue", grid, tile.block()}, finish_rows<V, decltype(a), X, T>, rows, c, x, bias, residual,
             y);
    });
  });
}

void epilogue(Stream stream, Act act, Dtype dtype, Index rows, int c, const float* bias, const void* residual,
              void* y) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    auto* out = static_cast<T*>(y);
    finish(stream, act, rows, c, static_cast<const T*>(out), bias, static_cast<const T*>(residual), out);
  });
}

void finish_sums(Stream stream, Act act, Dtype dtype, Index rows, int c, const float* sums, const float* bias,
                 void* y) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    finish(stream, act, rows, c, sums, bias, static_cast<const T*>(nullptr), static_cast<T*>(y));
  });
}

void scale_forward(Stream stream, const ScaleProblem& problem, const void* x, const void* gate, void* y) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    with_width<T>(problem.c, {x, gate, y}, [&](auto width) {
      constexpr int V = decltype(width)::value;
      const Tile tile(problem.c, V);
      const dim3 grid{tile.across(), ceil_div(problem.hw, tile.rows() * 4), static_cast<unsigned>(problem.n)};
      launch({stream, "scale_forward", grid, tile.block()}, scale_rows<V, T>, problem.hw, problem.c,
             static_cast<const T*>(x), static_cast<const T*>(gate), static_cast<T*>(y));
    });
  });
}

}  // namespace thaw::cuda
