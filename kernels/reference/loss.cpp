#include <algorithm>
#include <cmath>

#include "kernels/pointwise.h"
#include "kernels/reference/operands.h"
#include "kernels/reference/reference_backend.h"

namespace thaw {

using reference::Input;
using reference::Output;

void ReferenceBackend::sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, void* sums) {
  const Input in(dtype, x, rows * c);
  Output out(master_dtype(dtype), sums, c);
  reference::column_sums(rows, c, in.data(), out.data());
  out.store();
}

void ReferenceBackend::sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out) {
  const Input in(dtype, x, count);
  *out = reference::dot(in.data(), in.data(), count);
}

void ReferenceBackend::softmax_cross_entropy(Dtype master, int n, int classes, const void* logits,
                                             const std::int32_t* labels, double gradient_scale, void* probabilities,
                                             void* dlogits, LossSums* sums) {
  const std::int64_t count = std::int64_t{n} * classes;
  const Input in(master, logits, count);
  Output p(master, probabilities, count);
  Output gradient(master, dlogits, count);
  for (int image = 0; image < n; ++image) {
    const std::int32_t label = labels[image];
    const std::int64_t at = std::int64_t{image} * classes;
    const double* row = in.data() + at;
    const double* top = std::max_element(row, row + classes);
    double sum = 0;  // of exp(x - max): between 1 and the number of classes, so that nothing overflows
    for (int j = 0; j < classes; ++j) sum += std::exp(row[j] - *top);
    const double log_sum = *top + std::log(sum);
    // A label outside the classes has no loss; the NaN makes it seen and counted.
    const double loss = label >= 0 && label < classes ? log_sum - row[label] : std::nan("");
    if (sums != nullptr) {
      sums->loss += loss;
      sums->correct += top - row == label ? 1 : 0;
      sums->images += 1;
      sums->not_finite += std::isfinite(loss) ? 0 : 1;
    }
    for (int j = 0; j < classes; ++j) {
      const double probability = std::exp(row[j] - log_sum);
      if (p) p[at + j] = probability;
      if (gradient) gradient[at + j] = (probability - (j == label ? 1.0 : 0.0)) * gradient_scale;
    }
  }
  p.store();
  gradient.store();
}

void ReferenceBackend::adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) {
  const double alpha = step.step_size();
  for (const UpdateSlot& slot : slots) {
    const Input g(master, slot.g, slot.count);
    const Input old_w(master, slot.w, slot.count);
    const Input old_m(master, slot.state1, slot.count);
    const Input old_v(master, slot.state2, slot.count);
    Output w(master, slot.w, slot.count);
    Output m(master, slot.state1, slot.count);
    Output v(master, slot.state2, slot.count);
    for (std::int64_t i = 0; i < slot.count; ++i) {
      w[i] = old_w[i];
      m[i] = old_m[i];
      v[i] = old_v[i];
      pointwise::adam(w[i], m[i], v[i], g[i], alpha, 1.0 - step.beta1, 1.0 - step.beta2, step.epsilon);
    }
    w.store();
    m.store();
    v.store();
  }
}

void ReferenceBackend::sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) {
  for (const UpdateSlot& slot : slots) {
    const Input g(master, slot.g, slot.count);
    const Input old_w(master, slot.w, slot.count);
    const Input old_velocity(master, slot.state1, slot.count);
    Output w(master, slot.w, slot.count);
    Output velocity(master, slot.state1, slot.count);
    for (std::int64_t i = 0; i < slot.count; ++i) {
      w[i] = old_w[i];
      double moving = old_velocity ? old_velocity[i] : 0.0;  // without momentum there is no state to keep
      pointwise::sgd(w[i], moving, g[i], step.lr, step.momentum, step.nesterov);
      if (velocity) velocity[i] = moving;
    }
    w.store();
    velocity.store();
  }
}

}  // namespace thaw
