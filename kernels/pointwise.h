#pragma once

#include <cstdint>

#include "kernels/problem.h"

#if defined(__CUDACC__)
#define THAW_HD __host__ __device__ __forceinline__
#else
// Always inlined: the same functions are compiled for several instruction sets within one binary.
#define THAW_HD inline __attribute__((always_inline))
#endif

namespace thaw::pointwise {

// Every pointwise formula of thaw, once, for host and device. T is the type of computation: float, double
// or, for activations, a vector of floats.

/// `value` as a number of the type of the first argument or, where that is a vector, in each of its lanes.
THAW_HD float like(float, double value) { return static_cast<float>(value); }
THAW_HD double like(double, double value) { return value; }
template <class V>
THAW_HD auto like(const V& vector, double value) -> decltype(V{} + vector[0]) {
  return V{} + static_cast<float>(value);
}

template <class T>
THAW_HD T clamp(T x, double low, double high) {
  return x < like(x, low) ? like(x, low) : (x > like(x, high) ? like(x, high) : x);
}

/// Value and derivative of an activation. At a kink the derivative is the one of TensorFlow: 0 at the ends of the
/// active interval (relu'(0) = 0, relu6'(6) = 0).
template <Act A>
struct Activation;

template <>
struct Activation<Act::linear> {
  template <class T>
  THAW_HD static T value(T x) {
    return x;
  }
  template <class T>
  THAW_HD static T derivative(T x) {
    return like(x, 1);
  }
};

template <>
struct Activation<Act::relu> {
  // Written so that a NaN stays a NaN: a bad value must be seen, not erased.
  template <class T>
  THAW_HD static T value(T x) {
    return x < like(x, 0) ? like(x, 0) : x;
  }
  template <class T>
  THAW_HD static T derivative(T x) {
    return x > like(x, 0) ? like(x, 1) : like(x, 0);
  }
};

template <>
struct Activation<Act::relu6> {
  template <class T>
  THAW_HD static T value(T x) {
    return clamp(x, 0, 6);
  }
  template <class T>
  THAW_HD static T derivative(T x) {
    return (x > like(x, 0)) & (x < like(x, 6)) ? like(x, 1) : like(x, 0);
  }
};

/// x relu6(x+3)/6 (Howard et al. 2019, "Searching for MobileNetV3"; keras.activations.hard_swish).
template <>
struct Activation<Act::hard_swish> {
  template <class T>
  THAW_HD static T value(T x) {
    return x * (clamp(x + like(x, 3), 0, 6) * like(x, 1.0 / 6.0));
  }
  template <class T>
  THAW_HD static T derivative(T x) {
    return x <= like(x, -3) ? like(x, 0)
                            : (x >= like(x, 3) ? like(x, 1) : (like(x, 2) * x + like(x, 3)) * like(x, 1.0 / 6.0));
  }
};

/// relu6(x+3)/6 (keras.activations.hard_sigmoid of Keras 3).
template <>
struct Activation<Act::hard_sigmoid> {
  template <class T>
  THAW_HD static T value(T x) {
    return clamp(x + like(x, 3), 0, 6) * like(x, 1.0 / 6.0);
  }
  template <class T>
  THAW_HD static T derivative(T x) {
    return (x > like(x, -3)) & (x < like(x, 3)) ? like(x, 1.0 / 6.0) : like(x, 0);
  }
};

/// Calls f with the functor of `act`, so that a loop is compiled once per activation.
template <class F>
THAW_HD void with_activation(Act act, F&& f) {
  switch (act) {
    case Act::linear: f(Activation<Act::linear>{}); break;
    case Act::relu: f(Activation<Act::relu>{}); break;
    case Act::relu6: f(Activation<Act::relu6>{}); break;
    case Act::hard_swish: f(Activation<Act::hard_swish>{}); break;
    case Act::hard_sigmoid: f(Activation<Act::hard_sigmoid>{}); break;
  }
}

THAW_HD float square_root(float x) { return __builtin_sqrtf(x); }
THAW_HD double square_root(double x) { return __builtin_sqrt(x); }

/// One element of Keras' Adam; `alpha` = lr sqrt(1-beta2^t)/(1-beta1^t), and epsilon stands outside the bias correction
/// (keras.optimizers.Adam, Kingma & Ba's "epsilon hat").
template <class T>
THAW_HD void adam(T& w, T& m, T& v, T g, T alpha, T one_minus_beta1, T one_minus_beta2, T epsilon) {
  m += (g - m) * one_minus_beta1;
  v += (g * g - v) * one_minus_beta2;
  w -= m * alpha / (square_root(v) + epsilon);
}

/// Keras' SGD with momentum: velocity = momentum velocity - lr g; w += velocity (nesterov: momentum velocity - lr g).
template <class T>
THAW_HD void sgd(T& w, T& velocity, T g, T lr, T momentum, bool nesterov) {
  velocity = momentum * velocity - lr * g;
  w += nesterov ? momentum * velocity - lr * g : velocity;
}

/// 64 random bits as a function of (seed, counter): two rounds of the splitmix64 finaliser (Steele et al. 2014), so
/// that every draw is independent of threads and order.
THAW_HD std::uint64_t random_bits(std::uint64_t seed, std::uint64_t counter) {
  std::uint64_t x = seed + 0x9E3779B97F4A7C15ULL * (counter + 1);
  for (int round = 0; round < 2; ++round) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    x ^= x >> 31;
    x += seed;
  }
  return x;
}

/// A uniform number in [0, 1) with 24 bits.
THAW_HD float uniform(std::uint64_t seed, std::uint64_t counter) {
  return static_cast<float>(random_bits(seed, counter) >> 40) * 0x1.0p-24F;
}

/// Inverted dropout's factor of element `counter`: 0 with probability `rate`, else 1/(1-rate).
THAW_HD float dropout_factor(float rate, std::uint64_t seed, std::uint64_t counter) {
  return uniform(seed, counter) < rate ? 0.0F : 1.0F / (1.0F - rate);
}

}  // namespace thaw::pointwise
