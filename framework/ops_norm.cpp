#include "framework/ops.h"
#include "kernels/error.h"

namespace thaw {

namespace {

void check_norm(const Var& x, const Var& gamma, const Var& beta, const Var& residual, const NormOptions& options) {
  const Shape channels{x.shape()[x.shape().rank() - 1]};
  if (gamma.shape() != channels || beta.shape() != channels) {
    fail(ErrorKind::usage, "[batch_norm] input {} wants gamma and beta of {}, found {} and {}", x.shape().text(),
         channels.text(), gamma.shape().text(), beta.shape().text());
  }
  if (residual.defined() && residual.shape() != x.shape()) {
    fail(ErrorKind::usage, "[batch_norm] residual {} and input {} differ", residual.shape().text(), x.shape().text());
  }
  if (residual.defined() && options.act != Act::linear && options.act != Act::relu) {
    fail(ErrorKind::usage, "[batch_norm] a residual goes with a linear or relu activation, not {}",
         name_of(options.act));
  }
}

/// Which gradients a norm's closure computes, and the forward call's tensors that they need.
struct NormSaved {
  NormProblem problem;
  Tensor x, y, gamma, beta, mean, variance;
  std::shared_ptr<Gradient> dx, dgamma, dbeta, dresidual;
};

void norm_backward(const std::shared_ptr<Backend>& backend, const NormSaved& s, const Tensor& dy) {
  const Dtype master = master_dtype(s.problem.dtype);
  const auto output = [&backend](const std::shared_ptr<Gradient>& slot, const Shape& shape, Dtype dtype) {
    return slot ? Tensor::empty(backend, shape, dtype) : Tensor();
  };
  const auto pointer = [](const Tensor& t) { return t.defined() ? t.data() : nullptr; };
  const Tensor dx = output(s.dx, dy.shape(), s.problem.dtype);
  const Tensor dgamma = output(s.dgamma, {s.problem.c}, master);
  const Tensor dbeta = output(s.dbeta, {s.problem.c}, master);
  const Tensor dresidual = output(s.dresidual, dy.shape(), s.problem.dtype);
  backend->norm_backward(s.problem, {.x = pointer(s.x),
                                     .y = pointer(s.y),
                                     .dy = dy.data(),
                                     .gamma = s.gamma.data(),
                                     .beta = s.beta.data(),
                                     .mean = s.mean.data(),
                                     .variance = s.variance.data(),
                                     .dx = pointer(dx),
                                     .dgamma = pointer(dgamma),
                                     .dbeta = pointer(dbeta),
                                     .dresidual = pointer(dresidual)});
  if (s.dx) s.dx->accumulate(dx);
  if (s.dgamma) s.dgamma->accumulate(dgamma);
  if (s.dbeta) s.dbeta->accumulate(dbeta);
  if (s.dresidual) s.dresidual->accumulate(dresidual);
}

}  // namespace

Var batch_norm(Context& ctx, const Var& x, const Var& gamma, const Var& beta, const Tensor& running_mean,
               const Tensor& running_variance, const Var& residual, const NormOptions& options) {
  check_norm(x, gamma, beta, residual, options);
  const int channels = x.shape().at(x.shape().rank() - 1);
  const NormProblem problem{.rows = x.value().numel() / channels,
                            .c = channels,
                            .training = options.batch_statistics,
                            .residual = residual.defined(),
                            .act = options.act,
                            .epsilon = options.epsilon,
                            .dtype = x.value().dtype()};
  const bool batch = options.batch_statistics;
  const Tensor mean = batch ? ctx.empty_master({channels}) : running_mean;
  const Tensor variance = batch ? ctx.empty_master({channels}) : running_variance;
  const Tensor y = Tensor::empty(ctx.backend, x.shape(), problem.dtype);
  ctx.backend->norm_forward(problem, {.x = x.value().data(),
                                      .gamma = gamma.value().data(),
                                      .beta = beta.value().data(),
                                      .residual = residual.defined() ? residual.value().data() : nullptr,
                                      .mean = mean.data(),
                                      .variance = variance.data(),
                                      .running_mean = batch ? running_mean.data() : nullptr,
                                      .running_variance = batch ? running_variance.data() : nullptr,
                                      .momentum = options.momentum,
                                      .y = y.data()});
  const Var out = ctx.output(y, {&x, &gamma, &beta, &residual});
  if (!out.wants_grad()) return out;

  // x is needed to rebuild the normalised value: for dgamma, for the statistics' gradient and for the activation's
  // derivative; behind a residual the activation's derivative is read off y instead.
  const bool from_y = problem.gradient_from_y();
  const bool needs_x = batch || gamma.wants_grad() || (problem.act != Act::linear && !from_y);
  const NormSaved saved{.problem = problem,
                        .x = needs_x ? x.value() : Tensor(),
                        .y = from_y ? y : Tensor(),
                        .gamma = gamma.value(),
                        .beta = beta.value(),
                        .mean = mean,
                        .variance = variance,
                        .dx = x.gradient(),
                        .dgamma = gamma.gradient(),
                        .dbeta = beta.gradient(),
                        .dresidual = residual.gradient()};
  ctx.tape->record("batch_norm", {saved.x, saved.y}, out,
                   [backend = ctx.backend, saved](const Tensor& dy) { norm_backward(backend, saved, dy); });
  return out;
}

}  // namespace thaw
