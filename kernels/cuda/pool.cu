#include "kernels/cuda/kernels.h"
#include "kernels/cuda/vectors.h"

namespace thaw::cuda {

namespace {

using Index = std::int64_t;

/// Sizes of a pooling problem.
struct Windows {
  int n, h, w, c;
  int p, q;
  int r, s, stride;
  int top, left;
  bool count_padding;

  /// What an average over the window whose corner is at (row, column) divides by.
  [[nodiscard]] __device__ float divisor(int row, int column) const {
    if (count_padding) return static_cast<float>(r) * static_cast<float>(s);
    const int rows = (row + r < h ? row + r : h) - (row > 0 ? row : 0);
    const int columns = (column + s < w ? column + s : w) - (column > 0 ? column : 0);
    return rows > 0 && columns > 0 ? static_cast<float>(rows) * static_cast<float>(columns) : 1.0F;
  }
};

/// Position of output or input pixel `at` of an (N,height,width) array.
struct Pixel {
  __device__ Pixel(Index at, int height, int width)
      : image(at / width / height), row(static_cast<int>(at / width % height)), column(static_cast<int>(at % width)) {}
  Index image;
  int row;
  int column;
};

/// The outputs along one axis whose windows hold an input position.
struct Readers {
  __device__ Readers(int position, int pad, int window, int stride, int outputs) {
    const int from = position + pad - window + 1;
    first = from <= 0 ? 0 : (from + stride - 1) / stride;
    const int to = (position + pad) / stride;
    last = to < outputs - 1 ? to : outputs - 1;
  }
  int first;
  int last;
};

/// One output of one channel a thread. The first of equals wins, and a NaN before everything.
template <class T>
__global__ void max_forward(Windows w, const T* x, T* y, std::int32_t* indices) {
  const Index at = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at >= Index{w.n} * w.p * w.q * w.c) return;
  const auto channel = static_cast<int>(at % w.c);
  const Pixel out(at / w.c, w.p, w.q);
  const T* image = x + out.image * w.h * w.w * w.c + channel;
  std::int32_t best = -1;
  float top = 0;
  for (int r = 0; r < w.r; ++r) {
    const int row = out.row * w.stride - w.top + r;
    if (row < 0 || row >= w.h) continue;
    for (int s = 0; s < w.s; ++s) {
      const int column = out.column * w.stride - w.left + s;
      if (column < 0 || column >= w.w) continue;
      const std::int32_t position = row * w.w + column;
      const float value = to_float(image[Index{position} * w.c]);
      if (best < 0 || value > top || (value != value && top == top)) {
        best = position;
        top = value;
      }
    }
  }
  y[at] = from_float<T>(top);
  if (indices != nullptr) indices[at] = best;
}

/// One input pixel a thread asks the windows that hold it, in order: no two threads write to one place.
template <class T>
__global__ void max_backward(Windows w, const T* dy, const std::int32_t* indices, T* dx) {
  const Index at = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at >= Index{w.n} * w.h * w.w * w.c) return;
  const auto channel = static_cast<int>(at % w.c);
  const Pixel in(at / w.c, w.h, w.w);
  const std::int32_t self = in.row * w.w + in.column;
  const Readers rows(in.row, w.top, w.r, w.stride, w.p);
  const Readers columns(in.column, w.left, w.s, w.stride, w.q);
  float sum = 0;
  for (int p = rows.first; p <= rows.last; ++p) {
    for (int q = columns.first; q <= columns.last; ++q) {
      const Index from = ((in.image * w.p + p) * w.q + q) * w.c + channel;
      if (indices[from] == self) sum += to_float(dy[from]);
    }
  }
  dx[at] = from_float<T>(sum);
}

template <class T>
__global__ void average_forward(Windows w, const T* x, T* y) {
  const Index at = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at >= Index{w.n} * w.p * w.q * w.c) return;
  const auto channel = static_cast<int>(at % w.c);
  const Pixel out(at / w.c, w.p, w.q);
  const T* image = x + out.image * w.h * w.w * w.c + channel;
  const int top = out.row * w.stride - w.top;
  const int left = out.column * w.stride - w.left;
  float sum = 0;
  for (int row = top > 0 ? top : 0; row < top + w.r && row < w.h; ++row) {
    for (int column = left > 0 ? left : 0; column < left + w.s && column < w.w; ++column) {
      sum += to_float(image[(Index{row} * w.w + column) * w.c]);
    }
  }
  y[at] = from_float<T>(sum / w.divisor(top, left));
}

template <class T>
__global__ void average_backward(Windows w, const T* dy, T* dx) {
  const Index at = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at >= Index{w.n} * w.h * w.w * w.c) return;
  const auto channel = static_cast<int>(at % w.c);
  const Pixel in(at / w.c, w.h, w.w);
  const Readers rows(in.row, w.top, w.r, w.stride, w.p);
  const Readers columns(in.column, w.left, w.s, w.stride, w.q);
  float sum = 0;
  for (int p = rows.first; p <= rows.last; ++p) {
    for (int q = columns.first; q <= columns.last; ++q) {
      const Index from = ((in.image * w.p + p) * w.q + q) * w.c + channel;
      sum += to_float(dy[from]) / w.divisor(p * w.stride - w.top, q * w.stride - w.left);
    }
  }
  dx[at] = from_float<T>(sum);
}

/// Element `at` of the larger array of a padding: copies between it and the smaller one, zero where there is none.
template <class T>
__global__ void pad_images(int n, int h, int w, int c, Pad pad, const T* x, T* y) {
  const Index at = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  const int height = h + pad.top + pad.bottom;
  const int width = w + pad.left + pad.right;
  if (at >= Index{n} * height * width * c) return;
  const Pixel out(at / c, height, width);
  const int row = out.row - pad.top;
  const int column = out.column - pad.left;
  const bool inside = row >= 0 && row < h && column >= 0 && column < w;
  y[at] = inside ? x[((out.image * h + row) * w + column) * c + at % c] : from_float<T>(0.0F);
}

template <class T>
__global__ void crop_images(int n, int h, int w, int c, Pad pad, const T* dy, T* dx) {
  const Index at = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  const int height = h + pad.top + pad.bottom;
  const int width = w + pad.left + pad.right;
  if (at >= Index{n} * h * w * c) return;
  const Pixel in(at / c, h, w);
  dx[at] = dy[((in.image * height + in.row + pad.top) * width + in.column + pad.left) * c + at % c];
}

Windows windows_of(const PoolProblem& p) {
  return {p.n, p.h, p.w, p.c, p.p(), p.q(), p.r, p.s, p.stride, p.pad.top, p.pad.left, p.count_padding};
}

Launch one_each(Stream stream, const char* name, Index count) {
  return {stream, name, {std::max(ceil_div(count, 256), 1U), 1, 1}, {256, 1, 1}};
}

}  // namespace

void pool_forward(Workspace& work, const PoolProblem& problem, const void* x, void* y, std::int32_t* indices) {
  if (problem.kind == PoolKind::average && problem.global()) return global_average(work, problem, x, y);
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const auto* in = static_cast<const T*>(x);
    auto* out = static_cast<T*>(y);
    const Launch how = one_each(work.stream(), "pool_forward", problem.output_size());
    if (problem.kind == PoolKind::max) return launch(how, max_forward<T>, windows_of(problem), in, out, indices);
    launch(how, average_forward<T>, windows_of(problem), in, out);
  });
}

void pool_backward(Stream stream, const PoolProblem& problem, const void* dy, const std::int32_t* indices, void* dx) {
  with_activations(problem.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const auto* in = static_cast<const T*>(dy);
    auto* out = static_cast<T*>(dx);
    const Launch how = one_each(stream, "pool_backward", problem.input_size());
    if (problem.kind == PoolKind::max) return launch(how, max_backward<T>, windows_of(problem), in, indices, out);
    launch(how, average_backward<T>, windows_of(problem), in, out);
  });
}

void pad(Stream stream, int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y) {
  const Index count = Index{n} * (h + pad.top + pad.bottom) * (w + pad.left + pad.right) * c;
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    launch(one_each(stream, "pad_forward", count), pad_images<T>, n, h, w, c, pad, static_cast<const T*>(x),
           static_cast<T*>(y));
  });
}

void crop(Stream stream, int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx) {
  with_activations(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    launch(one_each(stream, "pad_backward", Index{n} * h * w * c), crop_images<T>, n, h, w, c, pad,
           static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

}  // namespace thaw::cuda
