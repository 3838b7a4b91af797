#include <cmath>

#include "kernels/cuda/columns.h"

namespace thaw::cuda {

namespace {

/// Rows, mean and sum of squared distances from it, merged after Chan et al. 1979. Each thread measures from its first
/// row, so that nothing cancels however far the mean is from zero.
struct Moments {
  float count;
  float origin;
  float sum;      // of x - origin
  float squares;  // of (x - origin)^2

  __device__ void add(float x) {
    if (count == 0) origin = x;
    const float distance = x - origin;
    count += 1;
    sum += distance;
    squares += distance * distance;
  }
  /// From then on `origin` is the mean, `sum` 0 and `squares` about the mean.
  __device__ void centre() {
    if (count == 0) return;
    const float shift = sum / count;
    squares = squares - sum * shift > 0 ? squares - sum * shift : 0;
    origin += shift;
    sum = 0;
  }
  __device__ void merge(const Moments& given) {
    Moments other = given;
    if (other.count == 0) return;
    other.centre();
    if (count == 0) {
      *this = other;
      return;
    }
    centre();
    const float all = count + other.count;
    const float delta = other.origin - origin;
    squares += other.squares + delta * delta * (count * (other.count / all));
    origin += delta * (other.count / all);
    count = all;
  }
};

template <class T>
struct BatchStatistics {
  using Sum = Moments;
  template <int V>
  using Channels = NoChannels<V>;

  const T* x;
  float* mean;
  float* variance;
  float* running_mean;
  float* running_variance;
  float momentum;
  float rest;  // 1 - momentum, rounded once

  template <int V>
  __device__ Channels<V> load(std::int64_t, int) const {
    return {};
  }
  template <int V>
  __device__ void add(const Channels<V>&, std::int64_t element, Sum (&to)[V]) const {
    float value[V];
    cuda::load<V>(x + element, value);
#pragma unroll
    for (int i = 0; i < V; ++i) to[i].add(value[i]);
  }
  __device__ void finish(std::int64_t, int channel, Sum sum) const {
    sum.centre();
    const float batch_variance = sum.squares / sum.count;
    mean[channel] = sum.origin;
    variance[channel] = batch_variance;
    if (running_mean != nullptr) running_mean[channel] = momentum * running_mean[channel] + rest * sum.origin;
    if (running_variance != nullptr) {
      running_variance[channel] = momentum * running_variance[channel] + rest * batch_variance;
    }
  }
};

/// A thread's channels of a norm.
template <int V>
struct NormChannels {
  float mean[V];
  float inverse[V];  // 1/sqrt(variance + epsilon)
  float gamma[V];
  float beta[V];
};

struct NormParameters {
  const float* mean;
  const float* variance;
  const float* gamma;
  const float* beta;
  float epsilon;

  template <int V>
  __device__ NormChannels<V> load(int channel) const {
    NormChannels<V> out;
    float spread[V];
    cuda::load<V>(mean + channel, out.mean);
    cuda::load<V>(variance + channel, spread);
    cuda::load<V>(gamma + channel, out.gamma);
    cuda::load<V>(beta + channel, out.beta);
#pragma unroll
    for (int i = 0; i < V; ++i) out.inverse[i] = 1.0F / sqrtf(spread[i] + epsilon);
    return out;
  }
};

template <int V, class A, class T>
__global__ void normalise(NormParameters parameters, std::int64_t rows, int c, const T* x, const T* residual, T* y) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  if (channel >= c) return;
  const auto channels = parameters.load<V>(channel);
  const std::int64_t step = std::int64_t{gridDim.y} * blockDim.y;
  for (std::int64_t row = std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += step) {
    const std::int64_t at = row * c + channel;
    float value[V];
    float other[V] = {};
    load<V>(x + at, value);
    if (residual != nullptr) load<V>(residual + at, other);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float normed = (value[i] - channels.mean[i]) * channels.inverse[i];
      value[i] = A::value(channels.gamma[i] * normed + channels.beta[i] + other[i]);
    }
    store<V>(y + at, value);
  }
}

/// u = (x-mean)/sqrt(variance+epsilon) and g = dy act'(...) of V elements. With `from_y` the derivative is read off the
/// output, which a norm with residual needs.
template <class A, class T>
struct Incoming {
  NormParameters parameters;
  const T* x;
  const T* y;
  const T* dy;

  template <int V>
  __device__ void operator()(const NormChannels<V>& channels, std::int64_t at, float (&normed)[V],
                             float (&g)[V]) const {
    float value[V];
    float gradient[V];
    float output[V] = {};
    load<V>(x + at, value);
    load<V>(dy + at, gradient);
    if (y != nullptr) load<V>(y + at, output);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      normed[i] = (value[i] - channels.mean[i]) * channels.inverse[i];
      const float at_kink = y != nullptr ? output[i] : channels.gamma[i] * normed[i] + channels.beta[i];
      g[i] = gradient[i] * A::derivative(at_kink);
    }
  }
};

/// Sums of g and of g u.
struct GradientSum {
  float g;
  float gu;
  __device__ void merge(const GradientSum& other) {
    g += other.g;
    gu += other.gu;
  }
};

template <class A, class T>
struct ParameterGradients {
  using Sum = GradientSum;
  template <int V>
  using Channels = NormChannels<V>;

  Incoming<A, T> incoming;
  float* dgamma;
  float* dbeta;

  template <int V>
  __device__ Channels<V> load(std::int64_t, int channel) const {
    return incoming.parameters.template load<V>(channel);
  }
  template <int V>
  __device__ void add(const Channels<V>& channels, std::int64_t element, Sum (&to)[V]) const {
    float normed[V];
    float g[V];
    incoming(channels, element, normed, g);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      to[i].g += g[i];
      to[i].gu += g[i] * normed[i];
    }
  }
  __device__ void finish(std::int64_t, int channel, const Sum& sum) const {
    dgamma[channel] = sum.gu;
    dbeta[channel] = sum.g;
  }
};

/// dx = gamma/sqrt(variance+epsilon) (g - (sum g + u sum gu) share), share = 1/rows with the batch's statistics, else
/// 0.
template <int V, class A, class T>
__global__ void input_gradient(Incoming<A, T> incoming, std::int64_t rows, int c, float share, const float* sum_gu,
                               const float* sum_g, T* dx, T* dresidual) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  if (channel >= c) return;
  const auto channels = incoming.parameters.template load<V>(channel);
  float through_mean[V] = {};
  float through_variance[V] = {};
  if (share != 0) {
    load<V>(sum_g + channel, through_mean);
    load<V>(sum_gu + channel, through_variance);
  }
  const std::int64_t step = std::int64_t{gridDim.y} * blockDim.y;
  for (std::int64_t row = std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += step) {
    const std::int64_t at = row * c + channel;
    float normed[V];
    float g[V];
    incoming(channels, at, normed, g);
    if (dresidual != nullptr) store<V>(dresidual + at, g);
    if (dx == nullptr) continue;
    float out[V];
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float lost = (through_mean[i] + normed[i] * through_variance[i]) * share;
      out[i] = channels.gamma[i] * channels.inverse[i] * (g[i] - lost);
    }
    store<V>(dx + at, out);
  }
}

/// What a library leaves to do that has written mean and inverse = 1/sqrt(variance + epsilon).
struct LibraryStatistics {
  const float* mean;
  const float* inverse;
  float* variance;
  float* running_mean;
  float* running_variance;
  float epsilon;
  float momentum;
  float rest;  // 1 - momentum, rounded once
};

__global__ void library_statistics(LibraryStatistics s, int c) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (channel >= c) return;
  const float spread = 1.0F / (s.inverse[channel] * s.inverse[channel]) - s.epsilon;
  const float variance = spread < 0 ? 0 : spread;  // rounding; a NaN stays one
  s.variance[channel] = variance;
  if (s.running_mean != nullptr) {
    s.running_mean[channel] = s.momentum * s.running_mean[channel] + s.rest * s.mean[channel];
  }
  if (s.running_variance != nullptr) {
    s.running_variance[channel] = s.momentum * s.running_variance[channel] + s.rest * variance;
  }
}

__global__ void invert_deviation(const float* variance, float epsilon, int c, float* inverse) {
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (channel < c) inverse[channel] = 1.0F / sqrtf(variance[channel] + epsilon);
}

constexpr unsigned kChannelThreads = 128;

Launch channel_launch(Stream stream, const char* name, int c) {
  return {stream, name, {ceil_div(c, kChannelThreads), 1, 1}, {kChannelThreads, 1, 1}};
}

/// Blocks for a pass over (rows, C) in which a thread keeps its channels for eight rows or more.
dim3 rows_grid(const Workspace& work, const Tile& tile, std::int64_t rows) {
  const unsigned most = std::max(8U * static_cast<unsigned>(work.multiprocessors()) / tile.across(), 1U);
  return {tile.across(), std::min(ceil_div(rows, tile.rows() * 2), most), 1};
}

NormParameters parameters_of(const NormProblem& problem, const void* mean, const void* variance, const void* gamma,
                             const void* beta) {
  return {static_cast<const float*>(mean), static_cast<const float*>(variance), static_cast<const float*>(gamma),
          static_cast<const float*>(beta), static_cast<float>(problem.epsilon)};
}

template <class T>
void norm_forward_of(Workspace& work, const NormProblem& problem, const NormForward& args) {
  const auto* x = static_cast<const T*>(args.x);
  const auto* residual = problem.residual ? static_cast<const T*>(args.residual) : nullptr;
  const auto parameters = parameters_of(problem, args.mean, args.variance, args.gamma, args.beta);
  with_width<T>(problem.c, {x, residual, args.y, args.mean, args.variance, args.gamma, args.beta}, [&](auto width) {
    constexpr int V = decltype(width)::value;
    if (problem.training) {
      reduce_columns<V>(
          work, "norm statistics", 1, problem.rows, problem.c,
          BatchStatistics<T>{x, static_cast<float*>(args.mean), static_cast<float*>(args.variance),
                             static_cast<float*>(args.running_mean), static_cast<float*>(args.running_variance),
                             static_cast<float>(args.momentum), static_cast<float>(1 - args.momentum)});
    }
    if (args.y == nullptr) return;
    const Tile tile(problem.c, V);
    pointwise::with_activation(problem.act, [&](auto act) {
      launch({work.stream(), "normalise", rows_grid(work, tile, problem.rows), tile.block()},
             normalise<V, decltype(act), T>, parameters, problem.rows, problem.c, x, residual, static_cast<T*>(args.y));
    });
  });
}

/// Where the sums go that nobody asked for but dx needs.
struct GradientTargets {
  float* dgamma;
  float* dbeta;
};

template <class T>
void norm_backward_of(Workspace& work, const NormProblem& problem, const NormBackward& args, GradientTargets sums) {
  const bool from_y = problem.gradient_from_y();
  const auto parameters = parameters_of(problem, args.mean, args.variance, args.gamma, args.beta);
  const auto* x = static_cast<const T*>(args.x);
  const auto* y = from_y ? static_cast<const T*>(args.y) : nullptr;
  const auto* dy = static_cast<const T*>(args.dy);
  const std::initializer_list<const void*> pointers = {
      x, y, dy, args.dx, args.dresidual, args.mean, args.gamma, args.beta, args.variance, sums.dgamma, sums.dbeta};
  with_width<T>(problem.c, pointers, [&](auto width) {
    constexpr int V = decltype(width)::value;
    const Tile tile(problem.c, V);
    pointwise::with_activation(problem.act, [&](auto act) {
      using A = decltype(act);
      const Incoming<A, T> incoming{parameters, x, y, dy};
      if (sums.dgamma != nullptr) {
        reduce_columns<V>(work, "norm parameter gradients", 1, problem.rows, problem.c,
                          ParameterGradients<A, T>{incoming, sums.dgamma, sums.dbeta});
      }
      if (args.dx == nullptr && args.dresidual == nullptr) return;
      const float share = problem.training ? 1.0F / static_cast<float>(problem.rows) : 0.0F;
      launch({work.stream(), "norm input gradient", rows_grid(work, tile, problem.rows), tile.block()},
             input_gradient<V, A, T>, incoming, problem.rows, problem.c, share, static_cast<const float*>(sums.dgamma),
             static_cast<const float*>(sums.dbeta), static_cast<T*>(args.dx), static_cast<T*>(args.dresidual));
    });
  });
}

}  // namespace

void norm_forward(Workspace& work, const NormProblem& problem, const NormForward& args) {
  with_activations(problem.dtype,
                   [&](auto tag) { norm_forward_of<typename decltype(tag)::Type>(work, problem, args); });
}

void norm_backward(Workspace& work, const NormProblem& problem, const NormBackward& args) {
  // The scratch of the reduction is another call's, so what it writes beside it needs a place of its own.
  const bool wants_sums = args.dgamma != nullptr || args.dbeta != nullptr || (problem.training && args.dx != nullptr);
  GradientTargets sums{static_cast<float*>(args.dgamma), static_cast<float*>(args.dbeta)};
  if (wants_sums && (sums.dgamma == nullptr || sums.dbeta == nullptr)) {
    auto* spare = static_cast<float*>(work.held(2 * static_cast<std::size_t>(problem.c) * sizeof(float)));
    if (sums.dgamma == nullptr) sums.dgamma = spare;
    if (sums.dbeta == nullptr) sums.dbeta = spare + problem.c;
  }
  with_activations(problem.dtype,
                   [&](auto tag) { norm_backward_of<typename decltype(tag)::Type>(work, problem, args, sums); });
}

void finish_norm_statistics(Stream stream, const NormProblem& problem, const NormForward& args, const float* inverse) {
  launch(channel_launch(stream, "norm library statistics", problem.c), library_statistics,
         LibraryStatistics{static_cast<const float*>(args.mean), inverse, static_cast<float*>(args.variance),
                           static_cast<float*>(args.running_mean), static_cast<float*>(args.running_variance),
                           static_cast<float>(problem.epsilon), static_cast<float>(args.momentum),
                           static_cast<float>(1 - args.momentum)},
         problem.c);
}

void invert_norm_deviation(Stream stream, const NormProblem& problem, const float* variance, float* inverse) {
  launch(channel_launch(stream, "norm inverse deviation", problem.c), invert_deviation, variance,
         static_cast<float>(problem.epsilon), problem.c, inverse);
}

}  // namespace thaw::cuda
