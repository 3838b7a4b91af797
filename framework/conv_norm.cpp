#include <cmath>

#include "framework/layers.h"
#include "kernels/error.h"

namespace thaw {

namespace {

/// A convolution's filter and bias with the norm behind it folded in:
/// w' = w gamma/sqrt(variance + epsilon), b' = (b - mean) gamma/sqrt(variance + epsilon) + beta, per output channel.
struct FoldedWeights {
  std::vector<double> filter;
  std::vector<double> bias;
};

FoldedWeights fold(const Conv2D& conv, const BatchNorm& norm) {
  FoldedWeights out{.filter = conv.kernel->value().to_doubles(), .bias = norm.beta->value().to_doubles()};
  const std::vector<double> gamma = norm.gamma->value().to_doubles();
  const std::vector<double> mean = norm.moving_mean->value().to_doubles();
  const std::vector<double> variance = norm.moving_variance->value().to_doubles();
  const std::size_t channels = gamma.size();
  std::vector<double> conv_bias(channels, 0.0);
  if (conv.bias != nullptr) conv_bias = conv.bias->value().to_doubles();
  std::vector<double> scale(channels);
  for (std::size_t k = 0; k < channels; ++k) {
    scale[k] = gamma[k] / std::sqrt(variance[k] + norm.config.epsilon);
    out.bias[k] += (conv_bias[k] - mean[k]) * scale[k];
  }
  // Output channels are the outermost axis of (K,R,S,C) and the innermost of a depthwise (R,S,C).
  const std::size_t per_channel = out.filter.size() / channels;
  for (std::size_t i = 0; i < out.filter.size(); ++i) {
    out.filter[i] *= scale[conv.config.depthwise ? i % channels : i / per_channel];
  }
  return out;
}

}  // namespace

ConvNorm::ConvNorm(const Scope& conv_scope, const ConvConfig& conv_config, const Scope& norm_scope,
                   const NormConfig& norm_config, Act activation_kind, std::string activation_name,
                   std::string adding_name)
    : conv(conv_scope, conv_config),
      norm(norm_scope, conv.output(), norm_config),
      act(activation_kind),
      act_name(std::move(activation_name)),
      add_name(std::move(adding_name)) {}

bool ConvNorm::runs_fused(const Context& ctx, const Var& x, const Var& residual) const {
  if (ctx.observing() || norm.uses_batch_statistics(ctx)) return false;
  const Var kernel = conv.kernel->var();
  const Var bias = conv.bias != nullptr ? conv.bias->var() : Var();
  const Var gamma = norm.gamma->var();
  const Var beta = norm.beta->var();
  return !ctx.wants_grad({&x, &residual, &kernel, &bias, &gamma, &beta});
}

Var ConvNorm::operator()(Context& ctx, const Var& x, const Var& residual) const {
  if (ctx.observing()) return run_observed(ctx, x, residual);
  if (runs_fused(ctx, x, residual)) return run_fused(ctx, x, residual);
  // A residual allows a linear or relu activation inside the norm's call; nothing else occurs in the networks.
  return norm(ctx, conv(ctx, x), residual, act);
}

std::uint64_t ConvNorm::version() const {
  std::uint64_t sum = conv.kernel->version() + (conv.bias != nullptr ? conv.bias->version() : 0);
  for (const Parameter* p : {norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance}) sum += p->version();
  return sum;
}

Var ConvNorm::run_fused(Context& ctx, const Var& x, const Var& residual) const {
  ConvProblem problem = conv_problem(x.shape(), conv.kernel->shape(), true, x.value().dtype(), conv.options());
  problem.residual = residual.defined();
  problem.act = act;
  if (folded_.packed == nullptr || folded_.version != version() || folded_.dtype != problem.dtype) {
    const FoldedWeights weights = fold(conv, norm);
    const Tensor filter = Tensor::from_host(ctx.backend, conv.kernel->shape(), ctx.master(), std::span(weights.filter));
    const Tensor bias = Tensor::from_host(ctx.backend, {problem.k}, ctx.master(), std::span(weights.bias));
    folded_ = {version(), problem.dtype, ctx.backend->pack_conv(problem, filter.data(), bias.data())};
  }
  const Tensor y = ctx.empty({problem.n, problem.p(), problem.q(), problem.k});
  ctx.backend->conv_forward_packed(
      problem, *folded_.packed,
      {.x = x.value().data(), .residual = residual.defined() ? residual.value().data() : nullptr, .y = y.data()});
  return Var(y);
}

Var ConvNorm::run_observed(Context& ctx, const Var& x, const Var& residual) const {
  Var y = norm(ctx, conv(ctx, x));
  ctx.observe(norm.name, y.value());
  if (residual.defined()) {
    y = add(ctx, residual, y);
    ctx.observe(add_name, y.value());
  }
  if (act != Act::linear) {
    y = activation(ctx, y, act);
    ctx.observe(act_name, y.value());
  }
  return y;
}

void ConvNorm::list(LayerList& rows) const {
  conv.list(rows);
  norm.list(rows);
  list_tail(rows);
}

void ConvNorm::list_tail(LayerList& rows) const {
  if (!add_name.empty()) rows.add({.name = add_name, .type = "Add", .output = output()});
  if (!act_name.empty()) rows.add(activation_row(act_name, output(), act_name.starts_with("re_lu")));
}

}  // namespace thaw
