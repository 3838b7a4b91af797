// MobileNetV3 Large and Small (alpha 1, not minimalistic) as keras.applications has them.
#include <span>

#include <fmt/format.h>

#include "models/builder.h"

namespace thaw {

namespace {

constexpr NormConfig kNorm = {.epsilon = 1e-3, .momentum = 0.999};
constexpr int kStemFilters = 16;
constexpr double kTopDropout = 0.2;

constexpr Act relu = Act::relu;
constexpr Act swish = Act::hard_swish;

// Columns: expanded channels, output channels, depthwise kernel, its stride, squeezed channels (0: no squeeze-excite),
// activation. The first block does not expand.
constexpr InvertedResidualConfig kLarge[] = {
    {16, 16, 3, 1, 0, relu, false},  //
    {64, 24, 3, 2, 0, relu},         //
    {72, 24, 3, 1, 0, relu},         //
    {72, 40, 5, 2, 24, relu},        //
    {120, 40, 5, 1, 32, relu},       //
    {120, 40, 5, 1, 32, relu},       //
    {240, 80, 3, 2, 0, swish},       //
    {200, 80, 3, 1, 0, swish},       //
    {184, 80, 3, 1, 0, swish},       //
    {184, 80, 3, 1, 0, swish},       //
    {480, 112, 3, 1, 120, swish},    //
    {672, 112, 3, 1, 168, swish},    //
    {672, 160, 5, 2, 168, swish},    //
    {960, 160, 5, 1, 240, swish},    //
    {960, 160, 5, 1, 240, swish},
};

constexpr InvertedResidualConfig kSmall[] = {
    {16, 16, 3, 2, 8, relu, false},  //
    {72, 24, 3, 2, 0, relu},         //
    {88, 24, 3, 1, 0, relu},         //
    {96, 40, 5, 2, 24, swish},       //
    {240, 40, 5, 1, 64, swish},      //
    {240, 40, 5, 1, 64, swish},      //
    {120, 48, 5, 1, 32, swish},      //
    {144, 48, 5, 1, 40, swish},      //
    {288, 96, 5, 2, 72, swish},      //
    {576, 96, 5, 1, 144, swish},     //
    {576, 96, 5, 1, 144, swish},
};

/// What differs between the two sizes besides their blocks.
struct Variant {
  std::span<const InvertedResidualConfig> blocks;
  int tail;  ///< channels of conv_1, the base's output
  int top;   ///< channels of conv_2, in front of the ImageNet classifier
};

Variant variant(MobileNetSize size) {
  return size == MobileNetSize::large ? Variant{kLarge, 960, 1280} : Variant{kSmall, 576, 1024};
}

/// A stage of one convolution with norm and hard swish: the stem and the tail.
void add_unit(NetworkBuilder& builder, const std::string& stage, const std::string& conv, const ConvConfig& config) {
  builder.rows().set_block(stage);
  const auto unit = std::make_shared<ConvNorm>(builder.scope(conv), config, builder.scope(conv + "_bn"), kNorm, swish,
                                               builder.names.next("activation"));
  unit->list(builder.rows());
  builder.add_stage(stage, unit->output(), {&unit->norm},
                    [unit](Context& ctx, const Var& x) { return (*unit)(ctx, x); });
}

/// conv_2 with hard swish, dropout and the classifier as a 1x1 convolution, on the pooled picture.
struct Top {
  Conv2D conv_2;
  std::string act_name;
  std::string dropout_name;
  Conv2D logits;
  std::string flatten_name;

  Top(NetworkBuilder& builder, int channels, int filters)
      : conv_2(builder.scope("conv_2"), {.input = {1, 1, channels}, .filters = filters, .bias = true}),
        act_name(builder.names.next("activation")),
        dropout_name(builder.names.next("dropout")),
        logits(builder.scope("logits"), {.input = {1, 1, filters}, .filters = kImageNetClasses, .bias = true}),
        flatten_name(builder.names.next("flatten")) {}

  Var operator()(Context& ctx, const Var& x) const {
    Var y = activation(ctx, conv_2(ctx, x), swish);
    ctx.observe(act_name, y.value());
    y = dropout(ctx, y, kTopDropout);
    ctx.observe(dropout_name, y.value());
    y = reshape(ctx, logits(ctx, y), {x.shape()[0], kImageNetClasses});
    ctx.observe(flatten_name, y.value());
    y = cast(ctx, y, ctx.master());
    observe_probabilities(ctx, y);
    return y;
  }

  void list(LayerList& rows) const {
    const Shape scores{kImageNetClasses};
    conv_2.list(rows);
    rows.add(activation_row(act_name, conv_2.output(), false));
    rows.add({.name = dropout_name, .type = "Dropout", .output = conv_2.output()});
    logits.list(rows);
    rows.add({.name = flatten_name, .type = "Flatten", .output = scores});
    rows.add(activation_row("predictions", scores, false));
  }
};

}  // namespace

void add_mobilenet_v3_base(NetworkBuilder& builder, MobileNetSize size) {
  const Variant shape = variant(size);
  add_unit(builder, "stem", "conv", {.input = builder.output(), .filters = kStemFilters, .kernel = 3, .stride = 2});
  for (std::size_t i = 0; i < shape.blocks.size(); ++i) {
    const std::string stage = fmt::format("block_{}", i);
    builder.rows().set_block(stage);
    const Scope scope = builder.scope(i == 0 ? "expanded_conv" : fmt::format("expanded_conv_{}", i));
    const auto block =
        std::make_shared<InvertedResidual>(scope, builder.output(), shape.blocks[i], kNorm, builder.names);
    block->list(builder.rows());
    std::vector<BatchNorm*> norms;
    block->collect(norms);
    builder.add_stage(stage, block->output(), std::move(norms),
                      [block](Context& ctx, const Var& x) { return (*block)(ctx, x); });
  }
  add_unit(builder, "tail", "conv_1", {.input = builder.output(), .filters = shape.tail});
}

void add_mobilenet_v3_top(NetworkBuilder& builder, MobileNetSize size) {
  LayerList& rows = builder.rows();
  rows.set_block("head", true);
  const std::string pool_name = builder.names.next("global_average_pooling2d");
  const Shape pooled{1, 1, builder.output()[2]};
  rows.add({.name = pool_name, .type = "GlobalAveragePooling2D", .output = pooled});
  builder.add_stage("pool", pooled, {}, [pool_name](Context& ctx, const Var& x) {
    Var y = reshape(ctx, global_average_pool(ctx, x), {x.shape()[0], 1, 1, x.shape()[3]});
    ctx.observe(pool_name, y.value());
    return y;
  });
  const auto top = std::make_shared<Top>(builder, pooled.at(2), variant(size).top);
  top->list(rows);
  builder.add_stage(
      "head", {kImageNetClasses}, {}, [top](Context& ctx, const Var& x) { return (*top)(ctx, x); }, true);
}

}  // namespace thaw
