#include <algorithm>

#include "kernels/pointwise.h"
#include "kernels/reference/operands.h"
#include "kernels/reference/reference_backend.h"

namespace thaw {

using reference::axpy;
using reference::dot;
using reference::Input;
using reference::Output;

void ReferenceBackend::dense_forward(const DenseProblem& problem, const void* x, const void* w, const void* bias,
                                     void* y) {
  const Dtype master = master_dtype(problem.dtype);
  const std::int64_t c = problem.c;
  const std::int64_t k = problem.k;
  const Input in(problem.dtype, x, problem.n * c);
  const Input weights(master, w, k * c);
  const Input offsets(master, problem.bias ? bias : nullptr, k);
  Output out(problem.dtype, y, problem.n * k);
  pointwise::with_activation(problem.act, [&](auto act) {
#pragma omp parallel for num_threads(threads_)
    for (std::int64_t i = 0; i < problem.n * k; ++i) {
      const double sum = dot(in.data() + i / k * c, weights.data() + i % k * c, c);
      out[i] = act.value(sum + (offsets ? offsets[i % k] : 0.0));
    }
  });
  out.store();
}

void ReferenceBackend::dense_backward_data(const DenseProblem& problem, const void* w, const void* dy, void* dx) {
  const std::int64_t c = problem.c;
  const std::int64_t k = problem.k;
  const Input weights(master_dtype(problem.dtype), w, k * c);
  const Input gradient(problem.dtype, dy, problem.n * k);
  Output out(problem.dtype, dx, problem.n * c);
#pragma omp parallel for num_threads(threads_)
  for (std::int64_t n = 0; n < problem.n; ++n) {
    std::fill_n(out.data() + n * c, c, 0.0);
    for (std::int64_t j = 0; j < k; ++j) axpy(gradient[n * k + j], weights.data() + j * c, out.data() + n * c, c);
  }
  out.store();
}

void ReferenceBackend::dense_backward_weights(const DenseProblem& problem, const void* x, const void* dy, void* dw,
                                              void* dbias) {
  const Dtype master = master_dtype(problem.dtype);
  const std::int64_t c = problem.c;
  const std::int64_t k = problem.k;
  const Input in(problem.dtype, x, problem.n * c);
  const Input gradient(problem.dtype, dy, problem.n * k);
  Output weights(master, dw, k * c);
  if (weights) {
#pragma omp parallel for num_threads(threads_)
    for (std::int64_t j = 0; j < k; ++j) {
      std::fill_n(weights.data() + j * c, c, 0.0);
      for (std::int64_t n = 0; n < problem.n; ++n) {
        axpy(gradient[n * k + j], in.data() + n * c, weights.data() + j * c, c);
      }
    }
  }
  weights.store();
  Output offsets(master, dbias, k);
  if (offsets) reference::column_sums(problem.n, k, gradient.data(), offsets.data());
  offsets.store();
}

}  // namespace thaw
