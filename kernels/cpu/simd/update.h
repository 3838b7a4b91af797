#pragma once

#include "kernels/cpu/simd/isa.h"

#include <omp.h>

THAW_SIMD_BEGIN

// Optimizer steps over every parameter at once, and the loss.

/// Calls f(slot, first, n) for fixed pieces of all slots in one parallel region: small parameters share its cost.
template <class F>
THAW_SIMD_INLINE void for_slot_pieces(const UpdateSlot* slots, std::size_t count, F f) {
#pragma omp parallel
  {
    const std::int64_t threads = omp_get_num_threads();
    const std::int64_t mine = omp_get_thread_num();
    std::int64_t piece = 0;
    for (std::size_t i = 0; i < count; ++i) {
      for (std::int64_t first = 0; first < slots[i].count; first += chunk_elements, ++piece) {
        if (piece % threads == mine) f(slots[i], first, least(chunk_elements, slots[i].count - first));
      }
    }
  }
}

/// Four f32 streams read, three written, computed in double.
void adam(const UpdateSlot* slots, std::size_t count, const AdamStep& step) {
  const double alpha = step.step_size();
  const double rest1 = 1.0 - step.beta1;
  const double rest2 = 1.0 - step.beta2;
  const double epsilon = step.epsilon;
  for_slot_pieces(slots, count, [=](const UpdateSlot& slot, std::int64_t first, std::int64_t n) {
    float* w = as<float>(slot.w) + first;
    float* m = as<float>(slot.state1) + first;
    float* v = as<float>(slot.state2) + first;
    const float* g = as<float>(slot.g) + first;
    for_strips(n, [&](std::int64_t strip, int width) THAW_LAMBDA_INLINE {
      for (const float* stream : {w, m, v}) fetch_ahead<true>(stream + strip, width);
      fetch_ahead(g + strip, width);
#pragma omp simd
      for (std::int64_t i = strip; i < strip + width; ++i) {
        auto weight = static_cast<double>(w[i]);
        auto moment1 = static_cast<double>(m[i]);
        auto moment2 = static_cast<double>(v[i]);
        pointwise::adam(weight, moment1, moment2, static_cast<double>(g[i]), alpha, rest1, rest2, epsilon);
        w[i] = static_cast<float>(weight);
        m[i] = static_cast<float>(moment1);
        v[i] = static_cast<float>(moment2);
      }
    });
  });
}

void sgd(const UpdateSlot* slots, std::size_t count, const SgdStep& step) {
  const auto lr = static_cast<float>(step.lr);
  const auto momentum = static_cast<float>(step.momentum);
  const bool nesterov = step.nesterov;
  for_slot_pieces(slots, count, [=](const UpdateSlot& slot, std::int64_t first, std::int64_t n) {
    float* w = as<float>(slot.w) + first;
    const float* g = as<float>(slot.g) + first;
    if (slot.state1 == nullptr) {  // plain descent keeps no velocity
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) {
        float velocity = 0;
        pointwise::sgd(w[i], velocity, g[i], lr, momentum, nesterov);
      }
      return;
    }
    float* velocity = as<float>(slot.state1) + first;
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) pointwise::sgd(w[i], velocity[i], g[i], lr, momentum, nesterov);
  });
}

/// One image: -log p(label), and the first largest class. `probabilities` and `dlogits` may be null.
double cross_entropy_row(int classes, const float* logits, std::int32_t label, double gradient_scale,
                         float* probabilities, float* dlogits, int& best) {
  best = 0;
  for (int i = 1; i < classes; ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  const auto largest = static_cast<double>(logits[best]);
  double sum = 0;
  for (int i = 0; i < classes; ++i) sum += __builtin_exp(static_cast<double>(logits[i]) - largest);
  for (int i = 0; i < classes; ++i) {
    const double p = __builtin_exp(static_cast<double>(logits[i]) - largest) / sum;
    if (probabilities != nullptr) probabilities[i] = static_cast<float>(p);
    if (dlogits != nullptr) dlogits[i] = static_cast<float>((p - (i == label ? 1.0 : 0.0)) * gradient_scale);
  }
  if (label < 0 || label >= classes) return __builtin_nan("");
  return __builtin_log(sum) + largest - static_cast<double>(logits[label]);
}

/// A batch has few logits: one thread, in double.
void softmax_cross_entropy(int n, int classes, const float* logits, const std::int32_t* labels, double gradient_scale,
                           float* probabilities, float* dlogits, LossSums* sums) {
  for (int image = 0; image < n; ++image) {
    const std::int64_t at = std::int64_t{image} * classes;
    int best = 0;
    const double loss = cross_entropy_row(classes, logits + at, labels[image], gradient_scale,
                                          probabilities == nullptr ? nullptr : probabilities + at,
                                          dlogits == nullptr ? nullptr : dlogits + at, best);
    sums->loss += loss;
    sums->correct += best == labels[image] ? 1 : 0;
    sums->images += 1;
    sums->not_finite += __builtin_isfinite(loss) ? 0 : 1;
  }
}

THAW_SIMD_END
