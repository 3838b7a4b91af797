#include "framework/network.h"

#include <algorithm>

#include "kernels/error.h"

namespace thaw {

Var Network::forward(Context& ctx, const Var& x, std::size_t first, std::size_t last) const {
  Var y = x;
  for (std::size_t i = first; i < last; ++i) y = stages[i].forward(ctx, y);
  return y;
}

Var Network::input(Context& ctx, const Tensor& pixels) const {
  const Shape wanted{pixels.shape()[0], size, size, 3};
  if (pixels.shape() != wanted) {
    fail(ErrorKind::usage, "[{}] wanted pixels {}, found {}; build the model with --size to match", id, wanted.text(),
         pixels.shape().text());
  }
  if (ctx.observing() && rescaling_layer) ctx.observe("input_layer", pixels);
  const Tensor x = preprocess(ctx, pixels, preprocessing);
  if (ctx.observing()) ctx.observe(rescaling_layer ? "rescaling" : "input_layer", x);
  return Var(x);
}

Var Network::forward(Context& ctx, const Tensor& pixels) const {
  return forward(ctx, input(ctx, pixels), 0, stages.size());
}

void Network::set_norm_mode(NormMode mode) {
  norm_mode_ = mode;
  for (const Stage& stage : stages) {
    for (BatchNorm* norm : stage.norms) norm->mode = mode;
  }
}

std::size_t Network::cut() const {
  Context step;
  step.training = true;
  const auto must_run = [&step](const Stage& stage) {
    return stage.random ||
           std::any_of(stage.parameters.begin(), stage.parameters.end(),
                       [](const Parameter* p) { return p->trainable(); }) ||
           std::any_of(stage.norms.begin(), stage.norms.end(),
                       [&step](const BatchNorm* norm) { return norm->uses_batch_statistics(step); });
  };
  return static_cast<std::size_t>(std::find_if(stages.begin(), stages.end(), must_run) - stages.begin());
}

}  // namespace thaw
