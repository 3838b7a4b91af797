#pragma once

#include "framework/autograd.h"

namespace thaw {

// The way back of ops whose outputs `y` are computed already: each returns y as a Var, and records the op's closure
// where an input wants a gradient. Ops use them on what they computed themselves or with others in one call of the
// backend.

Var record_conv2d(Context& ctx, const ConvProblem& problem, const Var& x, const Var& w, const Var& bias,
                  const Tensor& y);
Var record_activation(Context& ctx, Act act, const Var& x, const Tensor& y);
/// `indices` of a maximum, undefined for an average.
Var record_pool(Context& ctx, const PoolProblem& problem, const Var& x, const Tensor& y, const Tensor& indices);
Var record_scale(Context& ctx, const ScaleProblem& problem, const Var& x, const Var& gate, const Tensor& y);

}  // namespace thaw
