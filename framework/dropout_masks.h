#pragma once

#include <cstdint>
#include <vector>

#include "framework/tensor.h"

namespace thaw {

struct Context;

/// Seed of a step's `call`-th dropout mask: a function of the run's seed, the step and the call.
std::uint64_t dropout_seed(const Context& ctx, std::uint64_t call);

/// The dropout masks of a training step as tensors that stay where they are, so that a recorded step can multiply by
/// them while they are drawn anew for each replay. The factors are those of `Backend::dropout`, rounded to the
/// activations' type.
class DropoutMasks {
 public:
  /// Factors of the step's `call`-th mask, as many as x has elements; made and drawn where it is the first step.
  const Tensor& mask(const Context& ctx, std::uint64_t call, const Tensor& x, double rate);
  /// Draws all of them for the context's step.
  void draw(const Context& ctx);

 private:
  struct Mask {
    Tensor ones, factors;
    double rate = 0;
  };
  static void draw(const Context& ctx, std::uint64_t call, const Mask& mask);

  std::vector<Mask> masks_;  // by call
};

}  // namespace thaw
