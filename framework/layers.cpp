#include "framework/layers.h"

#include <algorithm>
#include <array>

#include "kernels/error.h"

namespace thaw {

namespace {

constexpr std::array kModes = {NormMode::train, NormMode::inference, NormMode::frozen_affine};

Pad resolved_pad(const ConvConfig& config) {
  switch (config.padding) {
    case Padding::valid: return {};
    case Padding::fixed: return config.pad;
    case Padding::same:
      return pad_same(config.input.at(0), config.input.at(1), config.kernel, config.kernel, config.stride);
  }
  return {};
}

}  // namespace

void LayerList::set_block(std::string block, bool head) {
  block_ = std::move(block);
  head_ = head;
}

void LayerList::add(LayerInfo info) {
  info.block = block_;
  info.head = head_;
  rows_.push_back(std::move(info));
}

std::string AutoNames::next(const std::string& kind) {
  const int count = counts_[kind]++;
  return count == 0 ? kind : fmt::format("{}_{}", kind, count);
}

std::string_view name_of(NormMode mode) {
  switch (mode) {
    case NormMode::train: return "train";
    case NormMode::inference: return "inference";
    case NormMode::frozen_affine: return "frozen-affine";
  }
  return "?";
}

NormMode parse_norm_mode(std::string_view text) {
  const auto* mode = std::find_if(kModes.begin(), kModes.end(), [text](NormMode m) { return name_of(m) == text; });
  if (mode == kModes.end()) {
    fail(ErrorKind::usage, "'{}' is no batch-norm mode: choose train, inference or frozen-affine", text);
  }
  return *mode;
}

LayerInfo activation_row(const std::string& name, const Shape& output, bool relu_layer) {
  return {.name = name, .type = relu_layer ? "ReLU" : "Activation", .output = output};
}

Conv2D::Conv2D(const Scope& scope, const ConvConfig& conv_config) : name(scope.name()), config(conv_config) {
  const std::int64_t area = std::int64_t{config.kernel} * config.kernel;
  const std::int64_t channels = config.input[2];
  if (config.depthwise) {
    kernel = &scope.weight("kernel", {config.kernel, config.kernel, channels}, Init::glorot(area * channels, area));
  } else {
    kernel = &scope.weight("kernel", {config.filters, config.kernel, config.kernel, channels},
                           Init::glorot(area * channels, area * config.filters));
  }
  if (config.bias) bias = &scope.weight("bias", {config.filters}, Init::zeros());
}

ConvOptions Conv2D::options() const {
  return {.stride = config.stride, .pad = resolved_pad(config), .depthwise = config.depthwise};
}

Shape Conv2D::output() const {
  const Pad pad = resolved_pad(config);
  const int p = (config.input.at(0) + pad.top + pad.bottom - config.kernel) / config.stride + 1;
  const int q = (config.input.at(1) + pad.left + pad.right - config.kernel) / config.stride + 1;
  return {p, q, config.depthwise ? config.input[2] : config.filters};
}

Var Conv2D::operator()(Context& ctx, const Var& x) const {
  ConvOptions conv = options();
  Var input = x;
  if (ctx.observing() && !config.pad_name.empty()) {
    input = zero_pad(ctx, x, conv.pad);
    conv.pad = {};
    ctx.observe(config.pad_name, input.value());
  }
  Var y = conv2d(ctx, input, kernel->var(), bias != nullptr ? bias->var() : Var(), conv);
  ctx.observe(name, y.value());
  return y;
}

void Conv2D::list(LayerList& rows) const {
  if (!config.pad_name.empty()) {
    const Pad pad = resolved_pad(config);
    rows.add(
        {.name = config.pad_name,
         .type = "ZeroPadding2D",
         .output = {config.input[0] + pad.top + pad.bottom, config.input[1] + pad.left + pad.right, config.input[2]}});
  }
  std::vector<Parameter*> parameters = {kernel};
  if (bias != nullptr) parameters.push_back(bias);
  const Shape out = output();
  const double taps = static_cast<double>(kernel->count()) / (config.depthwise ? config.input.at(2) : config.filters);
  rows.add({.name = name,
            .type = config.depthwise ? "DepthwiseConv2D" : "Conv2D",
            .output = out,
            .parameters = parameters,
            .flops = 2.0 * static_cast<double>(out.numel()) * taps});
}

BatchNorm::BatchNorm(const Scope& scope, const Shape& norm_shape, const NormConfig& norm_config)
    : name(scope.name()), shape(norm_shape), config(norm_config) {
  const Shape channels{shape[shape.rank() - 1]};
  gamma = &scope.weight("gamma", channels, Init::ones());
  beta = &scope.weight("beta", channels, Init::zeros());
  moving_mean = &scope.statistic("moving_mean", channels, Init::zeros());
  moving_variance = &scope.statistic("moving_variance", channels, Init::ones());
}

bool BatchNorm::uses_batch_statistics(const Context& ctx) const {
  return ctx.training && mode == NormMode::train && !(gamma->frozen() && beta->frozen());
}

Var BatchNorm::operator()(Context& ctx, const Var& x, const Var& residual, Act act) const {
  const bool batch = uses_batch_statistics(ctx);
  Var y = batch_norm(ctx, x, gamma->var(), beta->var(), moving_mean->value(), moving_variance->value(), residual,
                     {.batch_statistics = batch, .epsilon = config.epsilon, .momentum = config.momentum, .act = act});
  if (batch) {
    moving_mean->mark_changed();
    moving_variance->mark_changed();
  }
  return y;
}

void BatchNorm::list(LayerList& rows) const {
  rows.add({.name = name,
            .type = "BatchNormalization",
            .output = shape,
            .parameters = {gamma, beta, moving_mean, moving_variance}});
}

Dense::Dense(const Scope& scope, int in_features, int out_features)
    : name(scope.name()), in(in_features), out(out_features) {
  kernel = &scope.weight("kernel", {out, in}, Init::glorot(in, out));
  bias = &scope.weight("bias", {out}, Init::zeros());
}

Var Dense::operator()(Context& ctx, const Var& x, Act act) const {
  return activation(ctx, dense(ctx, x, kernel->var(), bias->var()), act);
}

void Dense::list(LayerList& rows) const {
  rows.add({.name = name, .type = "Dense", .output = {out}, .parameters = {kernel, bias}, .flops = 2.0 * in * out});
}

}  // namespace thaw
