#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/error.h"
#include "kernels/pointwise.h"
#include "kernels/reference/operands.h"
#include "kernels/reference/reference_backend.h"

namespace thaw {

using reference::axpy;
using reference::dot;
using reference::Input;
using reference::Output;
using reference::Taps;
using reference::taps_inside;

namespace {

struct PackedCopy : PackedConv {
  std::vector<std::byte> w;
  std::vector<std::byte> bias;
};

std::vector<std::byte> bytes_of(const void* data, std::size_t bytes) {
  std::vector<std::byte> out(data == nullptr ? 0 : bytes);
  if (!out.empty()) std::memcpy(out.data(), data, bytes);
  return out;
}

/// Element offsets of a problem's operands.
struct Geometry {
  explicit Geometry(const ConvProblem& problem)
      : p(problem),
        height(problem.p()),
        width(problem.q()),
        group_c(problem.c / problem.groups),
        group_k(problem.k / problem.groups),
        pixels(std::int64_t{problem.n} * height * width) {}

  [[nodiscard]] std::int64_t input(std::int64_t image, int y, int x) const {
    return ((image * p.h + y) * p.w + x) * p.c;
  }
  [[nodiscard]] std::int64_t output(std::int64_t image, int y, int x) const {
    return ((image * height + y) * width + x) * p.k;
  }
  [[nodiscard]] std::int64_t filter(std::int64_t k, int r, int s) const {
    return p.depthwise() ? (std::int64_t{r} * p.s + s) * p.c : ((k * p.r + r) * p.s + s) * group_c;
  }

  const ConvProblem& p;
  int height;
  int width;
  int group_c;
  int group_k;
  std::int64_t pixels;
};

/// Calls f(image, row taps, column taps, offset of the output pixel) for pixel number `pixel` of (N,P,Q).
template <class F>
void at_output_pixel(const Geometry& g, std::int64_t pixel, F&& f) {
  const int x = static_cast<int>(pixel % g.width);
  const int y = static_cast<int>(pixel / g.width % g.height);
  const std::int64_t image = pixel / g.width / g.height;
  f(image, taps_inside(y, g.p.stride, g.p.pad.top, g.p.r, g.p.h),
    taps_inside(x, g.p.stride, g.p.pad.left, g.p.s, g.p.w), g.output(image, y, x));
}

/// One output pixel (K) without bias, from the input pixels under the filter.
void correlate(const Geometry& g, const double* x, const double* w, std::int64_t image, Taps rows, Taps cols,
               double* y) {
  std::fill_n(y, g.p.k, 0.0);
  for (int r = rows.begin; r < rows.end; ++r) {
    for (int s = cols.begin; s < cols.end; ++s) {
      const double* pixel = x + g.input(image, rows.origin + r, cols.origin + s);
      if (g.p.depthwise()) {
        const double* tap = w + g.filter(0, r, s);
        for (int c = 0; c < g.p.c; ++c) y[c] += pixel[c] * tap[c];
      } else {
        for (int k = 0; k < g.p.k; ++k)
          y[k] += dot(pixel + k / g.group_k * g.group_c, w + g.filter(k, r, s), g.group_c);
      }
    }
  }
}

/// Adds to one input pixel's gradient (C) what the output pixel `dy` (K) says through filter tap (r, s).
void spread(const Geometry& g, const double* w, const double* dy, int r, int s, double* dx) {
  if (g.p.depthwise()) {
    const double* tap = w + g.filter(0, r, s);
    for (int c = 0; c < g.p.c; ++c) dx[c] += dy[c] * tap[c];
    return;
  }
  for (int k = 0; k < g.p.k; ++k) axpy(dy[k], w + g.filter(k, r, s), dx + k / g.group_k * g.group_c, g.group_c);
}

/// The output position that reads input position `in` through tap `tap`, or -1.
int reader_of(int in, int tap, int pad, int stride, int size) {
  const int scaled = in + pad - tap;
  if (scaled < 0 || scaled % stride != 0 || scaled / stride >= size) return -1;
  return scaled / stride;
}

/// dw of filter number k: (R,S,C/groups).
void filter_gradient(const Geometry& g, const double* x, const double* dy, std::int64_t k, double* dw) {
  std::fill_n(dw + g.filter(k, 0, 0), std::int64_t{g.p.r} * g.p.s * g.group_c, 0.0);
  const std::int64_t first_c = k / g.group_k * g.group_c;
  for (std::int64_t pixel = 0; pixel < g.pixels; ++pixel) {
    at_output_pixel(g, pixel, [&](std::int64_t image, Taps rows, Taps cols, std::int64_t out) {
      for (int r = rows.begin; r < rows.end; ++r) {
        for (int s = cols.begin; s < cols.end; ++s) {
          axpy(dy[out + k], x + g.input(image, rows.origin + r, cols.origin + s) + first_c, dw + g.filter(k, r, s),
               g.group_c);
        }
      }
    });
  }
}

/// dw (C) of tap (r, s) of a depthwise filter.
void depthwise_tap_gradient(const Geometry& g, const double* x, const double* dy, int r, int s, double* dw) {
  std::fill_n(dw, g.p.c, 0.0);
  for (std::int64_t pixel = 0; pixel < g.pixels; ++pixel) {
    at_output_pixel(g, pixel, [&](std::int64_t image, Taps rows, Taps cols, std::int64_t out) {
      if (r < rows.begin || r >= rows.end || s < cols.begin || s >= cols.end) return;
      const double* in = x + g.input(image, rows.origin + r, cols.origin + s);
      for (int c = 0; c < g.p.c; ++c) dw[c] += in[c] * dy[out + c];
    });
  }
}

}  // namespace

void ReferenceBackend::conv_forward(const ConvProblem& problem, const ConvForward& args) {
  problem.check();
  const Geometry g(problem);
  const Dtype master = master_dtype(problem.dtype);
  const Input x(problem.dtype, args.x, problem.input_size());
  const Input w(master, args.w, problem.filter_size());
  const Input bias(master, problem.bias ? args.bias : nullptr, problem.k);
  const Input residual(problem.dtype, problem.residual ? args.residual : nullptr, problem.output_size());
  Output y(problem.dtype, args.y, problem.output_size());
#pragma omp parallel for num_threads(threads_)
  for (std::int64_t pixel = 0; pixel < g.pixels; ++pixel) {
    at_output_pixel(g, pixel, [&](std::int64_t image, Taps rows, Taps cols, std::int64_t out) {
      correlate(g, x.data(), w.data(), image, rows, cols, y.data() + out);
      pointwise::with_activation(problem.act, [&](auto act) {
        for (std::int64_t k = 0; k < problem.k; ++k) {
          y[out + k] = act.value(y[out + k] + (bias ? bias[k] : 0.0) + (residual ? residual[out + k] : 0.0));
        }
      });
    });
  }
  y.store();
}

void ReferenceBackend::conv_backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) {
  problem.check();
  const Geometry g(problem);
  const Input filter(master_dtype(problem.dtype), w, problem.filter_size());
  const Input gradient(problem.dtype, dy, problem.output_size());
  Output out(problem.dtype, dx, problem.input_size());
#pragma omp parallel for num_threads(threads_)
  for (std::int64_t pixel = 0; pixel < std::int64_t{problem.n} * problem.h * problem.w; ++pixel) {
    const int column = static_cast<int>(pixel % problem.w);
    const int row = static_cast<int>(pixel / problem.w % problem.h);
    const std::int64_t image = pixel / problem.w / problem.h;
    double* target = out.data() + pixel * problem.c;
    std::fill_n(target, problem.c, 0.0);
    for (int r = 0; r < problem.r; ++r) {
      const int p = reader_of(row, r, problem.pad.top, problem.stride, g.height);
      for (int s = 0; s < problem.s && p >= 0; ++s) {
        const int q = reader_of(column, s, problem.pad.left, problem.stride, g.width);
        if (q >= 0) spread(g, filter.data(), gradient.data() + g.output(image, p, q), r, s, target);
      }
    }
  }
  out.store();
}

void ReferenceBackend::conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw,
                                            void* dbias) {
  problem.check();
  const Geometry g(problem);
  const Dtype master = master_dtype(problem.dtype);
  const Input in(problem.dtype, x, problem.input_size());
  const Input gradient(problem.dtype, dy, problem.output_size());
  Output filter(master, dw, problem.filter_size());
  if (filter && problem.depthwise()) {
#pragma omp parallel for num_threads(threads_)
    for (int tap = 0; tap < problem.r * problem.s; ++tap) {
      depthwise_tap_gradient(g, in.data(), gradient.data(), tap / problem.s, tap % problem.s,
                             filter.data() + std::int64_t{tap} * problem.c);
    }
  } else if (filter) {
#pragma omp parallel for num_threads(threads_)
    for (int k = 0; k < problem.k; ++k) filter_gradient(g, in.data(), gradient.data(), k, filter.data());
  }
  filter.store();
  Output bias(master, dbias, problem.k);
  if (bias) reference::column_sums(g.pixels, problem.k, gradient.data(), bias.data());
  bias.store();
}

std::shared_ptr<const PackedConv> ReferenceBackend::pack_conv(const ConvProblem& problem, const void* w,
                                                              const void* bias) {
  problem.check();
  const std::size_t element = size_of(master_dtype(problem.dtype));
  auto packed = std::make_shared<PackedCopy>();
  packed->w = bytes_of(w, static_cast<std::size_t>(problem.filter_size()) * element);
  packed->bias = bytes_of(bias, static_cast<std::size_t>(problem.k) * element);
  return packed;
}

void ReferenceBackend::conv_forward_packed(const ConvProblem& problem, const PackedConv& packed,
                                           const ConvForward& args) {
  const auto* own = dynamic_cast<const PackedCopy*>(&packed);
  if (own == nullptr ||
      own->w.size() != static_cast<std::size_t>(problem.filter_size()) * size_of(master_dtype(problem.dtype))) {
    fail(ErrorKind::usage, "[conv_forward_packed] {}: the filter was packed by another backend or for another problem",
         problem.text());
  }
  ConvForward unpacked = args;
  unpacked.w = own->w.data();
  unpacked.bias = own->bias.empty() ? nullptr : own->bias.data();
  conv_forward(problem, unpacked);
}

}  // namespace thaw
