#include <vector>

#include "kernels/pointwise.h"
#include "kernels/reference/operands.h"
#include "kernels/reference/reference_backend.h"

namespace thaw {

using reference::Input;
using reference::Output;

void ReferenceBackend::act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y) {
  const Input in(dtype, x, count);
  Output out(dtype, y, count);
  pointwise::with_activation(act, [&](auto f) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = f.value(in[i]);
  });
  out.store();
}

void ReferenceBackend::act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx) {
  const Input in(dtype, x, count);
  const Input gradient(dtype, dy, count);
  Output out(dtype, dx, count);
  pointwise::with_activation(act, [&](auto f) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = gradient[i] * f.derivative(in[i]);
  });
  out.store();
}

void ReferenceBackend::add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) {
  const Input left(dtype, a, count);
  const Input right(dtype, b, count);
  Output out(dtype, y, count);
  for (std::int64_t i = 0; i < count; ++i) out[i] = left[i] + right[i];
  out.store();
}

void ReferenceBackend::scale_forward(const ScaleProblem& problem, const void* x, const void* gate, void* y) {
  const Input in(problem.dtype, x, problem.size());
  const Input gates(problem.dtype, gate, std::int64_t{problem.n} * problem.c);
  Output out(problem.dtype, y, problem.size());
  const std::int64_t image = std::int64_t{problem.hw} * problem.c;
  for (std::int64_t i = 0; i < problem.size(); ++i) out[i] = in[i] * gates[i / image * problem.c + i % problem.c];
  out.store();
}

void ReferenceBackend::scale_backward(const ScaleProblem& problem, const void* x, const void* gate, const void* dy,
                                      void* dx, void* dgate) {
  const std::int64_t image = std::int64_t{problem.hw} * problem.c;
  const Input in(problem.dtype, x, problem.size());
  const Input gates(problem.dtype, gate, std::int64_t{problem.n} * problem.c);
  const Input gradient(problem.dtype, dy, problem.size());
  std::vector<double> gate_gradient(static_cast<std::size_t>(problem.n) * static_cast<std::size_t>(problem.c));
  Output dx_out(problem.dtype, dx, problem.size());
  for (std::int64_t i = 0; i < problem.size(); ++i) {
    const std::int64_t at = i / image * problem.c + i % problem.c;
    const double g = gradient[i];  // dx may be dy
    if (dgate != nullptr) gate_gradient[static_cast<std::size_t>(at)] += g * in[i];
    if (dx_out) dx_out[i] = g * gates[at];
  }
  dx_out.store();
  Output dgate_out(problem.dtype, dgate, std::int64_t{problem.n} * problem.c);
  for (std::size_t i = 0; dgate_out && i < gate_gradient.size(); ++i) dgate_out.data()[i] = gate_gradient[i];
  dgate_out.store();
}

void ReferenceBackend::cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) {
  const Input in(from, x, count);
  Output out(to, y, count);
  for (std::int64_t i = 0; i < count; ++i) out[i] = in[i];
  out.store();
}

void ReferenceBackend::preprocess(const PreprocessProblem& problem, const void* pixels, void* y) {
  const std::int64_t count = std::int64_t{problem.n} * problem.hw * 3;
  const Input in(problem.input, pixels, count);
  Output out(problem.output, y, count);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t channel = i % 3;
    const std::int64_t source = problem.bgr ? i - channel + (2 - channel) : i;
    out[i] = (in[source] + problem.offset[channel]) * problem.scale;
  }
  out.store();
}

void ReferenceBackend::resize_photos(int size, std::span<const PhotoCrop> crops, float* pixels) {
  for (const PhotoCrop& crop : crops) {
    for (int y = 0; y < size; ++y) {
      const resize::Tap row = resize::tap(y, crop.box_height, size);
      for (int x = 0; x < size; ++x) {
        const resize::Tap column = resize::tap(crop.flip ? size - 1 - x : x, crop.box_width, size);
        for (int channel = 0; channel < 3; ++channel) *pixels++ = resize::pixel(crop, row, column, channel);
      }
    }
  }
}

void ReferenceBackend::dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x,
                               void* y) {
  const Input in(dtype, x, count);
  Output out(dtype, y, count);
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = in[i] * static_cast<double>(pointwise::dropout_factor(rate, seed, static_cast<std::uint64_t>(i)));
  }
  out.store();
}

}  // namespace thaw
