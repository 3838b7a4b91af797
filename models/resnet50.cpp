// ResNet50 version 1 as keras.applications has it: biases in every convolution, and the stride in a block's first 1x1.
#include <array>

#include <fmt/format.h>

#include "models/builder.h"

namespace thaw {

namespace {

constexpr NormConfig kNorm = {.epsilon = 1.001e-5, .momentum = 0.99};

/// Blocks of one resolution: "conv<number>_block1" to "conv<number>_block<blocks>"; the first one has the stride and a
/// convolution in its shortcut, and gives 4*filters channels as all of them do.
struct Group {
  int number;
  int blocks;
  int filters;
  int stride;
};

constexpr std::array kGroups = {Group{2, 3, 64, 1}, Group{3, 4, 128, 2}, Group{4, 6, 256, 2}, Group{5, 3, 512, 2}};

/// 7x7 convolution and 3x3 maximum, both with stride 2 on a padded picture.
struct Stem {
  ConvNorm conv1;

  Stem(NetworkBuilder& builder, const Shape& input)
      : conv1(builder.scope("conv1_conv"),
              {.input = input,
               .filters = 64,
               .kernel = 7,
               .stride = 2,
               .padding = Padding::fixed,
               .pad = pad_all(3),
               .pad_name = "conv1_pad",
               .bias = true},
              builder.scope("conv1_bn"), kNorm, Act::relu, "conv1_relu") {}

  [[nodiscard]] Shape output() const {
    const Shape in = conv1.output();
    return {(in[0] + 2 - 3) / 2 + 1, (in[1] + 2 - 3) / 2 + 1, in[2]};
  }

  Var operator()(Context& ctx, const Var& pixels) const {
    const Var x = conv1(ctx, pixels);
    // Keras pads with zeros and takes the maximum of what it sees; behind a ReLU that is the maximum without padding.
    PoolOptions pool{.kind = PoolKind::max, .window = 3, .stride = 2, .pad = pad_all(1)};
    if (!ctx.observing()) return pool2d(ctx, x, pool);
    const Var padded = zero_pad(ctx, x, pool.pad);
    ctx.observe("pool1_pad", padded.value());
    pool.pad = {};
    Var y = pool2d(ctx, padded, pool);
    ctx.observe("pool1_pool", y.value());
    return y;
  }

  void list(LayerList& rows) const {
    conv1.list(rows);
    const Shape in = conv1.output();
    rows.add({.name = "pool1_pad", .type = "ZeroPadding2D", .output = {in[0] + 2, in[1] + 2, in[2]}});
    rows.add({.name = "pool1_pool", .type = "MaxPooling2D", .output = output()});
  }
};

}  // namespace

void add_resnet50_base(NetworkBuilder& builder) {
  builder.rows().set_block("stem");
  const auto stem = std::make_shared<Stem>(builder, builder.output());
  stem->list(builder.rows());
  builder.add_stage("stem", stem->output(), {&stem->conv1.norm},
                    [stem](Context& ctx, const Var& x) { return (*stem)(ctx, x); });

  for (const Group& group : kGroups) {
    for (int i = 1; i <= group.blocks; ++i) {
      const std::string name = fmt::format("conv{}_block{}", group.number, i);
      builder.rows().set_block(name);
      const bool first = i == 1;
      const auto block = std::make_shared<Bottleneck>(builder.scope(name), builder.output(), group.filters,
                                                      first ? group.stride : 1, first, kNorm);
      block->list(builder.rows());
      std::vector<BatchNorm*> norms;
      block->collect(norms);
      builder.add_stage(name, block->output(), std::move(norms),
                        [block](Context& ctx, const Var& x) { return (*block)(ctx, x); });
    }
  }
}

void add_resnet50_top(NetworkBuilder& builder) {
  LayerList& rows = builder.rows();
  rows.set_block("head", true);
  const Shape pooled{builder.output()[2]};
  rows.add({.name = "avg_pool", .type = "GlobalAveragePooling2D", .output = pooled});
  builder.add_stage("pool", pooled, {}, [](Context& ctx, const Var& x) {
    Var y = global_average_pool(ctx, x);
    ctx.observe("avg_pool", y.value());
    return y;
  });
  const auto classifier = std::make_shared<Dense>(builder.scope("predictions"), pooled.at(0), kImageNetClasses);
  classifier->list(rows);
  builder.add_stage("head", {kImageNetClasses}, {}, [classifier](Context& ctx, const Var& x) {
    Var logits = (*classifier)(ctx, cast(ctx, x, ctx.master()));
    observe_probabilities(ctx, logits);
    return logits;
  });
}

}  // namespace thaw
