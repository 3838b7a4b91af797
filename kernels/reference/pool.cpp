#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "kernels/reference/operands.h"
#include "kernels/reference/reference_backend.h"

namespace thaw {

using reference::Input;
using reference::Output;
using reference::Taps;
using reference::taps_inside;

namespace {

/// Calls f(window rows, window columns, offset of the output pixel) for every output pixel of one image, in order.
template <class F>
void for_windows(const PoolProblem& problem, std::int64_t image, F&& f) {
  for (int p = 0; p < problem.p(); ++p) {
    for (int q = 0; q < problem.q(); ++q) {
      f(taps_inside(p, problem.stride, problem.pad.top, problem.r, problem.h),
        taps_inside(q, problem.stride, problem.pad.left, problem.s, problem.w),
        ((image * problem.p() + p) * problem.q() + q) * problem.c);
    }
  }
}

/// Calls f(position h*W+w) for every pixel of a window, in order.
template <class F>
void for_pixels(const PoolProblem& problem, Taps rows, Taps cols, F&& f) {
  for (int r = rows.begin; r < rows.end; ++r) {
    for (int s = cols.begin; s < cols.end; ++s) f((rows.origin + r) * problem.w + cols.origin + s);
  }
}

double divisor(const PoolProblem& problem, Taps rows, Taps cols) {
  if (problem.count_padding) return static_cast<double>(problem.r) * problem.s;
  const int inside = std::max(rows.end - rows.begin, 0) * std::max(cols.end - cols.begin, 0);
  return static_cast<double>(std::max(inside, 1));
}

/// Position of the first largest value of one channel's window (a NaN wins), -1 for a window outside the image.
std::int32_t largest(const PoolProblem& problem, const double* channel, Taps rows, Taps cols) {
  std::int32_t best = -1;
  for_pixels(problem, rows, cols, [&](std::int32_t at) {
    const double value = channel[std::int64_t{at} * problem.c];
    if (best < 0) {
      best = at;
      return;
    }
    const double top = channel[std::int64_t{best} * problem.c];
    if (value > top || (std::isnan(value) && !std::isnan(top))) best = at;
  });
  return best;
}

}  // namespace

void ReferenceBackend::pool_forward(const PoolProblem& problem, const void* x, void* y, std::int32_t* indices) {
  problem.check();
  const Input in(problem.dtype, x, problem.input_size());
  Output out(problem.dtype, y, problem.output_size());
  const std::int64_t image_size = std::int64_t{problem.h} * problem.w * problem.c;
#pragma omp parallel for num_threads(threads_)
  for (int image = 0; image < problem.n; ++image) {
    const double* pixels = in.data() + image * image_size;
    for_windows(problem, image, [&](Taps rows, Taps cols, std::int64_t at) {
      for (int c = 0; c < problem.c; ++c) {
        if (problem.kind == PoolKind::max) {
          const std::int32_t best = largest(problem, pixels + c, rows, cols);
          out[at + c] = best < 0 ? 0.0 : pixels[std::int64_t{best} * problem.c + c];
          if (indices != nullptr) indices[at + c] = best;
        } else {
          double sum = 0;
          for_pixels(problem, rows, cols, [&](std::int32_t i) { sum += pixels[std::int64_t{i} * problem.c + c]; });
          out[at + c] = sum / divisor(problem, rows, cols);
        }
      }
    });
  }
  out.store();
}

void ReferenceBackend::pool_backward(const PoolProblem& problem, const void* dy, const std::int32_t* indices,
                                     void* dx) {
  problem.check_gradient(indices);
  const Input gradient(problem.dtype, dy, problem.output_size());
  Output out(problem.dtype, dx, problem.input_size());
  const std::int64_t image_size = std::int64_t{problem.h} * problem.w * problem.c;
#pragma omp parallel for num_threads(threads_)
  for (int image = 0; image < problem.n; ++image) {
    double* pixels = out.data() + image * image_size;
    std::fill_n(pixels, image_size, 0.0);
    for_windows(problem, image, [&](Taps rows, Taps cols, std::int64_t at) {
      for (std::int64_t c = 0; c < problem.c; ++c) {
        if (problem.kind == PoolKind::max) {
          if (indices[at + c] >= 0) pixels[std::int64_t{indices[at + c]} * problem.c + c] += gradient[at + c];
        } else {
          const double share = gradient[at + c] / divisor(problem, rows, cols);
          for_pixels(problem, rows, cols, [&](std::int32_t i) { pixels[std::int64_t{i} * problem.c + c] += share; });
        }
      }
    });
  }
  out.store();
}

void ReferenceBackend::pad_forward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y) {
  const int height = h + pad.top + pad.bottom;
  const int width = w + pad.left + pad.right;
  const Input in(dtype, x, std::int64_t{n} * h * w * c);
  Output out(dtype, y, std::int64_t{n} * height * width * c);
  std::fill_n(out.data(), std::int64_t{n} * height * width * c, 0.0);
  for (std::int64_t row = 0; row < std::int64_t{n} * h; ++row) {
    const std::int64_t to = (row / h * height + row % h + pad.top) * width + pad.left;
    std::copy_n(in.data() + row * w * c, std::int64_t{w} * c, out.data() + to * c);
  }
  out.store();
}

void ReferenceBackend::pad_backward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx) {
  const int height = h + pad.top + pad.bottom;
  const int width = w + pad.left + pad.right;
  const Input gradient(dtype, dy, std::int64_t{n} * height * width * c);
  Output out(dtype, dx, std::int64_t{n} * h * w * c);
  for (std::int64_t row = 0; row < std::int64_t{n} * h; ++row) {
    const std::int64_t from = (row / h * height + row % h + pad.top) * width + pad.left;
    std::copy_n(gradient.data() + from * c, std::int64_t{w} * c, out.data() + row * w * c);
  }
  out.store();
}

}  // namespace thaw
