#include "framework/layers.h"

namespace thaw {

SqueezeExcite::SqueezeExcite(const Scope& scope, const Shape& input_shape, int squeezed, std::string gate)
    : name(scope.name()),
      input(input_shape),
      gate_name(std::move(gate)),
      reduce(scope.layer(name + "_conv"), {.input = {1, 1, input[2]}, .filters = squeezed, .bias = true}),
      expand(scope.layer(name + "_conv_1"), {.input = {1, 1, squeezed}, .filters = input.at(2), .bias = true}) {}

Var SqueezeExcite::operator()(Context& ctx, const Var& x) const {
  SqueezeExciteOutputs out = squeeze_excite(ctx, x,
                                            {.reduce = reduce.kernel->var(),
                                             .reduce_bias = reduce.bias->var(),
                                             .expand = expand.kernel->var(),
                                             .expand_bias = expand.bias->var()});
  ctx.observe(name + "_avg_pool", out.pooled.value());
  ctx.observe(reduce.name, out.reduced.value());
  ctx.observe(name + "_relu", out.squeezed.value());
  ctx.observe(expand.name, out.expanded.value());
  ctx.observe(gate_name, out.gate.value(), 6.0);
  ctx.observe(name + "_mul", out.y.value());
  return std::move(out.y);
}

void SqueezeExcite::list(LayerList& rows) const {
  rows.add({.name = name + "_avg_pool", .type = "GlobalAveragePooling2D", .output = {1, 1, input[2]}});
  reduce.list(rows);
  rows.add(activation_row(name + "_relu", reduce.output(), true));
  expand.list(rows);
  rows.add(activation_row(gate_name, expand.output(), true));
  rows.add({.name = name + "_mul", .type = "Multiply", .output = input});
}

namespace {

ConvNorm resnet_unit(const Scope& scope, const std::string& part, const ConvConfig& conv, const NormConfig& norm,
                     Act act, const std::string& act_name, const std::string& add_name = {}) {
  return {scope.layer(scope.name() + part + "_conv"),
          conv,
          scope.layer(scope.name() + part + "_bn"),
          norm,
          act,
          act_name,
          add_name};
}

}  // namespace

Bottleneck::Bottleneck(const Scope& scope, const Shape& input, int filters, int stride, bool project,
                       const NormConfig& norm)
    : first_(resnet_unit(
          scope, "_1", {.input = input, .filters = filters, .stride = stride, .padding = Padding::valid, .bias = true},
          norm, Act::relu, scope.name() + "_1_relu")),
      second_(resnet_unit(scope, "_2", {.input = first_.output(), .filters = filters, .kernel = 3, .bias = true}, norm,
                          Act::relu, scope.name() + "_2_relu")),
      shortcut_(
          project
              ? std::optional<ConvNorm>(resnet_unit(
                    scope, "_0",
                    {.input = input, .filters = 4 * filters, .stride = stride, .padding = Padding::valid, .bias = true},
                    norm, Act::linear, ""))
              : std::nullopt),
      third_(resnet_unit(scope, "_3",
                         {.input = second_.output(), .filters = 4 * filters, .padding = Padding::valid, .bias = true},
                         norm, Act::relu, scope.name() + "_out", scope.name() + "_add")) {}

Var Bottleneck::operator()(Context& ctx, const Var& x) const {
  const Var shortcut = shortcut_ ? (*shortcut_)(ctx, x) : x;
  return third_(ctx, second_(ctx, first_(ctx, x)), shortcut);
}

void Bottleneck::list(LayerList& rows) const {
  first_.list(rows);
  second_.list(rows);
  if (shortcut_) {
    // Keras sorts layers by depth: the shortcut's conv and norm are interleaved with those of the third unit.
    shortcut_->conv.list(rows);
    third_.conv.list(rows);
    shortcut_->norm.list(rows);
    third_.norm.list(rows);
    third_.list_tail(rows);
  } else {
    third_.list(rows);
  }
}

void Bottleneck::collect(std::vector<BatchNorm*>& norms) {
  norms.push_back(&first_.norm);
  norms.push_back(&second_.norm);
  if (shortcut_) norms.push_back(&shortcut_->norm);
  norms.push_back(&third_.norm);
}

namespace {

std::string act_layer_name(Act act, AutoNames& names) { return names.next(act == Act::relu ? "re_lu" : "activation"); }

ConvNorm mobile_unit(const Scope& scope, const std::string& part, const ConvConfig& conv, const NormConfig& norm,
                     Act act, const std::string& act_name, const std::string& add_name = {}) {
  return {
      scope.layer(scope.name() + part), conv, scope.layer(scope.name() + part + "_bn"), norm, act, act_name, add_name};
}

std::optional<ConvNorm> expansion(const Scope& scope, const Shape& input, const InvertedResidualConfig& config,
                                  const NormConfig& norm, AutoNames& names) {
  if (!config.expand) return std::nullopt;
  return mobile_unit(scope, "_expand", {.input = input, .filters = config.expanded}, norm, config.act,
                     act_layer_name(config.act, names));
}

std::optional<SqueezeExcite> squeeze_excite(const Scope& scope, const Shape& input, int squeezed, AutoNames& names) {
  if (squeezed == 0) return std::nullopt;
  return SqueezeExcite(scope.layer(scope.name() + "_squeeze_excite"), input, squeezed, names.next("re_lu"));
}

}  // namespace

InvertedResidual::InvertedResidual(const Scope& scope, const Shape& input, const InvertedResidualConfig& config,
                                   const NormConfig& norm, AutoNames& names)
    : expand_(expansion(scope, input, config, norm, names)),
      depthwise_(mobile_unit(scope, "_depthwise",
                             {.input = expand_ ? expand_->output() : input,
                              .filters = config.expanded,
                              .kernel = config.kernel,
                              .stride = config.stride,
                              .pad_name = config.stride == 2 ? scope.name() + "_depthwise_pad" : "",
                              .depthwise = true},
                             norm, config.act, act_layer_name(config.act, names))),
      squeeze_(squeeze_excite(scope, depthwise_.output(), config.squeezed, names)),
      project_(mobile_unit(scope, "_project", {.input = depthwise_.output(), .filters = config.filters}, norm,
                           Act::linear, "",
                           config.stride == 1 && input[2] == config.filters ? scope.name() + "_add" : "")),
      residual_(config.stride == 1 && input[2] == config.filters) {}

Var InvertedResidual::operator()(Context& ctx, const Var& x) const {
  Var y = expand_ ? (*expand_)(ctx, x) : x;
  y = depthwise_(ctx, y);
  if (squeeze_) y = (*squeeze_)(ctx, y);
  return project_(ctx, y, residual_ ? x : Var());
}

void InvertedResidual::list(LayerList& rows) const {
  if (expand_) expand_->list(rows);
  depthwise_.list(rows);
  if (squeeze_) squeeze_->list(rows);
  project_.list(rows);
}

void InvertedResidual::collect(std::vector<BatchNorm*>& norms) {
  if (expand_) norms.push_back(&expand_->norm);
  norms.push_back(&depthwise_.norm);
  norms.push_back(&project_.norm);
}

}  // namespace thaw
