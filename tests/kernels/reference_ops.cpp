#include "tests/kernels/reference_ops.h"

#include <cmath>
#include <numeric>

#include "kernels/pointwise.h"
#include "kernels/reference/reference_backend.h"

namespace thaw::tests {

namespace {

ReferenceBackend& backend() {
  static ReferenceBackend instance;
  return instance;
}

Values blank(std::int64_t count) { return Values(static_cast<std::size_t>(count)); }

}  // namespace

DifferentiableOp conv_op(ConvProblem problem) {
  problem.dtype = Dtype::f64;
  DifferentiableOp op{problem.text(), {}, {}, {}};
  for (const auto size : {problem.input_size(), problem.filter_size()})
    op.inputs.push_back(static_cast<std::size_t>(size));
  if (problem.bias) op.inputs.push_back(static_cast<std::size_t>(problem.k));
  op.forward = [problem](const std::vector<Values>& in) {
    Values y = blank(problem.output_size());
    backend().conv_forward(
        problem, {.x = in[0].data(), .w = in[1].data(), .bias = problem.bias ? in[2].data() : nullptr, .y = y.data()});
    return y;
  };
  op.backward = [problem](const std::vector<Values>& in, const Values& dy) {
    std::vector<Values> gradients = {blank(problem.input_size()), blank(problem.filter_size())};
    if (problem.bias) gradients.push_back(blank(problem.k));
    backend().conv_backward_data(problem, in[1].data(), dy.data(), gradients[0].data());
    backend().conv_backward_filter(problem, in[0].data(), dy.data(), gradients[1].data(),
                                   problem.bias ? gradients[2].data() : nullptr);
    return gradients;
  };
  return op;
}

DifferentiableOp norm_op(NormProblem problem) {
  problem.dtype = Dtype::f64;
  const auto size = static_cast<std::size_t>(problem.size());
  const auto channels = static_cast<std::size_t>(problem.c);
  DifferentiableOp op{problem.text(), {size, channels, channels}, {}, {}};
  if (problem.residual) op.inputs.push_back(size);
  const auto call = [problem, channels](const std::vector<Values>& in, Values& mean, Values& variance) {
    mean = Values(channels, 0.25);
    variance = Values(channels, 1.5);
    Values y = blank(problem.size());
    backend().norm_forward(problem, {.x = in[0].data(),
                                     .gamma = in[1].data(),
                                     .beta = in[2].data(),
                                     .residual = problem.residual ? in[3].data() : nullptr,
                                     .mean = mean.data(),
                                     .variance = variance.data(),
                                     .y = y.data()});
    return y;
  };
  op.forward = [call](const std::vector<Values>& in) {
    Values mean;
    Values variance;
    return call(in, mean, variance);
  };
  op.backward = [problem, call, inputs = op.inputs](const std::vector<Values>& in, const Values& dy) {
    Values mean;
    Values variance;
    const Values y = call(in, mean, variance);
    std::vector<Values> gradients;
    for (const std::size_t count : inputs) gradients.emplace_back(count);
    backend().norm_backward(problem, {.x = in[0].data(),
                                      .y = y.data(),
                                      .dy = dy.data(),
                                      .gamma = in[1].data(),
                                      .beta = in[2].data(),
                                      .mean = mean.data(),
                                      .variance = variance.data(),
                                      .dx = gradients[0].data(),
                                      .dgamma = gradients[1].data(),
                                      .dbeta = gradients[2].data(),
                                      .dresidual = problem.residual ? gradients[3].data() : nullptr});
    return gradients;
  };
  return op;
}

DifferentiableOp fixed_max_op(PoolProblem problem, Values at) {
  problem.dtype = Dtype::f64;
  std::vector<std::int32_t> winners(static_cast<std::size_t>(problem.output_size()));
  Values y = blank(problem.output_size());
  backend().pool_forward(problem, at.data(), y.data(), winners.data());
  const std::int64_t image = std::int64_t{problem.h} * problem.w * problem.c;
  const std::int64_t pooled = problem.output_size() / problem.n;
  return {problem.text(),
          {static_cast<std::size_t>(problem.input_size())},
          [=](const std::vector<Values>& in) {
            Values out(winners.size());
            for (std::size_t i = 0; i < out.size(); ++i) {
              const auto at_i = static_cast<std::int64_t>(i);
              const std::int64_t pixel =
                  at_i / pooled * image + std::int64_t{winners[i]} * problem.c + at_i % problem.c;
              out[i] = in[0][static_cast<std::size_t>(pixel)];
            }
            return out;
          },
          [=](const std::vector<Values>&, const Values& dy) {
            Values dx = blank(problem.input_size());
            backend().pool_backward(problem, dy.data(), winners.data(), dx.data());
            return std::vector<Values>{dx};
          }};
}

DifferentiableOp pool_op(PoolProblem problem) {
  problem.dtype = Dtype::f64;
  const auto winners = std::make_shared<std::vector<std::int32_t>>(static_cast<std::size_t>(problem.output_size()));
  return {problem.text(),
          {static_cast<std::size_t>(problem.input_size())},
          [=](const std::vector<Values>& in) {
            Values y = blank(problem.output_size());
            backend().pool_forward(problem, in[0].data(), y.data(), winners->data());
            return y;
          },
          [=](const std::vector<Values>& in, const Values& dy) {
            Values y = blank(problem.output_size());
            backend().pool_forward(problem, in[0].data(), y.data(), winners->data());
            Values dx = blank(problem.input_size());
            backend().pool_backward(problem, dy.data(), winners->data(), dx.data());
            return std::vector<Values>{dx};
          }};
}

DifferentiableOp dense_op(DenseProblem problem) {
  problem.dtype = Dtype::f64;
  const auto n = static_cast<std::size_t>(problem.n);
  const auto c = static_cast<std::size_t>(problem.c);
  const auto k = static_cast<std::size_t>(problem.k);
  return {problem.text(),
          {n * c, k * c, k},
          [=](const std::vector<Values>& in) {
            Values y(n * k);
            backend().dense_forward(problem, in[0].data(), in[1].data(), in[2].data(), y.data());
            return y;
          },
          [=](const std::vector<Values>& in, const Values& dy) {
            std::vector<Values> gradients = {Values(n * c), Values(k * c), Values(k)};
            backend().dense_backward_data(problem, in[1].data(), dy.data(), gradients[0].data());
            backend().dense_backward_weights(problem, in[0].data(), dy.data(), gradients[1].data(),
                                             gradients[2].data());
            return gradients;
          }};
}

double inner(const Values& a, const Values& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

Values integers(std::size_t count, std::uint64_t seed) {
  Values values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(pointwise::random_bits(seed, i) % 7) - 3;
  return values;
}

Values reals(std::size_t count, std::uint64_t seed) {
  Values values(count);
  for (std::size_t i = 0; i < count; ++i) {
    // Multiples of 1/64 plus 1/128: never nearer than 1/128 to an integer.
    values[i] = static_cast<double>(pointwise::random_bits(seed, i) % 256) / 64 - 2 + 1.0 / 128;
  }
  return values;
}

}  // namespace thaw::tests
