#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/error.h"
#include "kernels/pointwise.h"
#include "kernels/reference/operands.h"
#include "kernels/reference/reference_backend.h"

namespace thaw {

using reference::Input;
using reference::Output;

namespace {

std::vector<double> inverse_deviations(const NormProblem& problem, const double* variance) {
  std::vector<double> out(static_cast<std::size_t>(problem.c));
  std::transform(variance, variance + problem.c, out.begin(),
                 [&problem](double v) { return 1.0 / std::sqrt(v + problem.epsilon); });
  return out;
}

/// Mean and biased variance of each channel, in two passes.
void batch_statistics(const NormProblem& problem, const double* x, double* mean, double* variance) {
  const auto rows = static_cast<double>(problem.rows);
  reference::column_sums(problem.rows, problem.c, x, mean);
  std::for_each(mean, mean + problem.c, [rows](double& m) { m /= rows; });
  std::fill_n(variance, problem.c, 0.0);
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    for (std::int64_t c = 0; c < problem.c; ++c) {
      const double distance = x[row * problem.c + c] - mean[c];
      variance[c] += distance * distance / rows;
    }
  }
}

/// running = momentum running + (1-momentum) batch.
void move_running(Dtype master, int c, double momentum, const double* batch, void* running) {
  const Input old(master, running, c);
  Output moved(master, running, c);
  if (!moved) return;
  for (int i = 0; i < c; ++i) moved[i] = momentum * old[i] + (1.0 - momentum) * batch[i];
  moved.store();
}

}  // namespace

void ReferenceBackend::norm_forward(const NormProblem& problem, const NormForward& args) {
  const Dtype master = master_dtype(problem.dtype);
  const auto channels = static_cast<std::size_t>(problem.c);
  const Input x(problem.dtype, args.x, problem.size());
  const Input gamma(master, args.gamma, problem.c);
  const Input beta(master, args.beta, problem.c);
  const Input residual(problem.dtype, problem.residual ? args.residual : nullptr, problem.size());
  std::vector<double> mean(channels);
  std::vector<double> variance(channels);
  if (problem.training) {
    batch_statistics(problem, x.data(), mean.data(), variance.data());
    Output mean_out(master, args.mean, problem.c);
    Output variance_out(master, args.variance, problem.c);
    if (mean_out) std::copy(mean.begin(), mean.end(), mean_out.data());
    if (variance_out) std::copy(variance.begin(), variance.end(), variance_out.data());
    mean_out.store();
    variance_out.store();
    move_running(master, problem.c, args.momentum, mean.data(), args.running_mean);
    move_running(master, problem.c, args.momentum, variance.data(), args.running_variance);
  } else {
    std::copy_n(Input(master, args.mean, problem.c).data(), channels, mean.begin());
    std::copy_n(Input(master, args.variance, problem.c).data(), channels, variance.begin());
  }
  const std::vector<double> inverse = inverse_deviations(problem, variance.data());
  Output y(problem.dtype, args.y, problem.size());
  if (!y) return;
  pointwise::with_activation(problem.act, [&](auto act) {
    for (std::int64_t i = 0; i < problem.size(); ++i) {
      const auto c = static_cast<std::size_t>(i % problem.c);
      const double normed = (x[i] - mean[c]) * inverse[c];
      y[i] = act.value(gamma.data()[c] * normed + beta.data()[c] + (residual ? residual[i] : 0.0));
    }
  });
  y.store();
}

// With u = (x-mean)/sqrt(variance+epsilon) and g = dy act'(gamma u + beta + residual):
// dbeta = sum g, dgamma = sum g u, dresidual = g, and dx = gamma/sqrt(variance+epsilon) * g with running statistics or
// gamma/sqrt(variance+epsilon) * (g - dbeta/rows - u dgamma/rows) with those of the batch (Ioffe & Szegedy 2015).
void ReferenceBackend::norm_backward(const NormProblem& problem, const NormBackward& args) {
  problem.check_gradient();
  const bool from_y = problem.gradient_from_y();
  const Dtype master = master_dtype(problem.dtype);
  const Input x(problem.dtype, args.readable().x, problem.size());
  const Input y(problem.dtype, from_y ? args.y : nullptr, problem.size());
  const Input dy(problem.dtype, args.dy, problem.size());
  const Input gamma(master, args.gamma, problem.c);
  const Input beta(master, args.beta, problem.c);
  const Input mean(master, args.mean, problem.c);
  const Input variance(master, args.variance, problem.c);
  const std::vector<double> inverse = inverse_deviations(problem, variance.data());

  std::vector<double> normed(static_cast<std::size_t>(problem.size()));
  std::vector<double> g(normed.size());
  pointwise::with_activation(problem.act, [&](auto act) {
    for (std::int64_t i = 0; i < problem.size(); ++i) {
      const std::int64_t c = i % problem.c;
      const auto at = static_cast<std::size_t>(i);
      normed[at] = (x[i] - mean[c]) * inverse[static_cast<std::size_t>(c)];
      g[at] = dy[i] * act.derivative(from_y ? y[i] : gamma[c] * normed[at] + beta[c]);
    }
  });

  std::vector<double> sum_g(static_cast<std::size_t>(problem.c));
  std::vector<double> sum_gu(sum_g.size());
  std::vector<double> gu(g.size());
  std::transform(g.begin(), g.end(), normed.begin(), gu.begin(), [](double a, double b) { return a * b; });
  reference::column_sums(problem.rows, problem.c, g.data(), sum_g.data());
  reference::column_sums(problem.rows, problem.c, gu.data(), sum_gu.data());

  const auto write = [&](Dtype dtype, void* target, const std::vector<double>& values) {
    Output out(dtype, target, static_cast<std::int64_t>(values.size()));
    if (out) std::copy(values.begin(), values.end(), out.data());
    out.store();
  };
  write(master, args.dbeta, sum_g);
  write(master, args.dgamma, sum_gu);
  write(problem.dtype, args.dresidual, g);
  if (args.dx == nullptr) return;
  const auto rows = static_cast<double>(problem.rows);
  std::vector<double> dx(g.size());
  for (std::size_t i = 0; i < dx.size(); ++i) {
    const std::size_t c = i % static_cast<std::size_t>(problem.c);
    const double through_statistics = problem.training ? (sum_g[c] + normed[i] * sum_gu[c]) / rows : 0.0;
    dx[i] = gamma.data()[c] * inverse[c] * (g[i] - through_statistics);
  }
  write(problem.dtype, args.dx, dx);
}

}  // namespace thaw
