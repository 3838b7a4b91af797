#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace thaw::tests {

using Values = std::vector<double>;

/// A differentiable call of the reference backend in f64, seen as a function of host arrays.
struct DifferentiableOp {
  std::string name;
  /// Sizes of the inputs that are differentiated: x, then weights and the like.
  std::vector<std::size_t> inputs;
  std::function<Values(const std::vector<Values>& inputs)> forward;
  /// Gradients of <forward(inputs), dy> in the order of the inputs.
  std::function<std::vector<Values>(const std::vector<Values>& inputs, const Values& dy)> backward;
};

DifferentiableOp conv_op(ConvProblem problem);
/// Inputs x, gamma, beta and, where the problem has one, the residual. Running statistics are fixed numbers.
DifferentiableOp norm_op(NormProblem problem);
DifferentiableOp act_op(Act act, std::size_t count);
DifferentiableOp pool_op(PoolProblem problem);
/// A maximum whose winners are fixed to those of `at`: linear in x.
DifferentiableOp fixed_max_op(PoolProblem problem, Values at);
DifferentiableOp dense_op(DenseProblem problem);
DifferentiableOp scale_op(ScaleProblem problem);
DifferentiableOp pad_op(int n, int h, int w, int c, Pad pad);
DifferentiableOp sum_rows_op(std::int64_t rows, int c);
DifferentiableOp dropout_op(std::size_t count, float rate);
/// The mean loss of a batch, a function of the logits.
DifferentiableOp softmax_op(int n, int classes);

double inner(const Values& a, const Values& b);
/// Integers in [-3, 3], or reals in [-2, 2) a fixed grid away from the kinks of every activation, by (seed, element).
Values integers(std::size_t count, std::uint64_t seed);
Values reals(std::size_t count, std::uint64_t seed);

}  // namespace thaw::tests
