#include <fmt/format.h>

#include "models/builder.h"

namespace thaw {

namespace {

/// A hidden dense layer with ReLU, or the classifier, and the dropout that goes with it.
struct HeadLayer {
  Dense dense;
  std::string dropout_name;  // empty: none
  bool classifier;
};

/// The layers of a transfer head in order. They compute in the master type: they are small, and what they learn is
/// all that a frozen base learns.
struct TransferHead {
  std::vector<HeadLayer> layers;
  double rate = 0;

  Var operator()(Context& ctx, const Var& x) const {
    Var y = cast(ctx, x, ctx.master());
    for (const HeadLayer& layer : layers) {
      if (layer.classifier) {
        if (layers.size() == 1) y = drop(ctx, y, layer.dropout_name);
        y = layer.dense(ctx, y);
        ctx.observe(layer.dense.name, y.value());
      } else {
        y = layer.dense(ctx, y, Act::relu);
        ctx.observe(layer.dense.name, y.value());
        y = drop(ctx, y, layer.dropout_name);
      }
    }
    return y;
  }

  Var drop(Context& ctx, const Var& x, const std::string& name) const {
    if (name.empty()) return x;
    Var y = dropout(ctx, x, rate);
    ctx.observe(name, y.value());
    return y;
  }
};

}  // namespace

void add_transfer_head(NetworkBuilder& builder, const HeadOptions& options) {
  LayerList& rows = builder.rows();
  rows.set_block("head", true);
  const std::string pool_name = builder.names.next("global_average_pooling2d");
  const Shape pooled{builder.output()[2]};
  rows.add({.name = pool_name, .type = "GlobalAveragePooling2D", .output = pooled});
  builder.add_stage("pool", pooled, {}, [pool_name](Context& ctx, const Var& x) {
    Var y = global_average_pool(ctx, x);
    ctx.observe(pool_name, y.value());
    return y;
  });

  auto head = std::make_shared<TransferHead>();
  head->rate = options.dropout;
  int width = pooled.at(0);
  const auto dropout_row = [&] {
    if (options.dropout == 0) return std::string();
    std::string name = builder.names.next("dropout");
    rows.add({.name = name, .type = "Dropout", .output = {width}});
    return name;
  };
  for (const int hidden : options.hidden) {
    head->layers.push_back({Dense(builder.scope(builder.names.next("head_dense")), width, hidden), "", false});
    head->layers.back().dense.list(rows);
    width = hidden;
    head->layers.back().dropout_name = dropout_row();
  }
  const std::string front_dropout = options.hidden.empty() ? dropout_row() : "";
  head->layers.push_back({Dense(builder.scope("head"), width, options.classes), front_dropout, true});
  head->layers.back().dense.list(rows);
  builder.add_stage(
      "head", {options.classes}, {}, [head](Context& ctx, const Var& x) { return (*head)(ctx, x); },
      options.dropout > 0);
}

}  // namespace thaw
