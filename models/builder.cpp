#include "models/builder.h"

namespace thaw {

NetworkBuilder::NetworkBuilder(Network& network) : network_(network), output_{network.size, network.size, 3} {
  rows().set_block("stem");
  rows().add({.name = "input_layer", .type = "InputLayer", .output = output_});
  if (network_.rescaling_layer) rows().add({.name = "rescaling", .type = "Rescaling", .output = output_});
}

void NetworkBuilder::add_stage(std::string name, const Shape& output, std::vector<BatchNorm*> norms,
                               std::function<Var(Context&, const Var&)> forward, bool random) {
  Stage stage{.name = std::move(name), .norms = std::move(norms), .random = random, .forward = std::move(forward)};
  for (auto& all = network_.parameters.all(); owned_ < all.size(); ++owned_) stage.parameters.push_back(&all[owned_]);
  network_.stages.push_back(std::move(stage));
  output_ = output;
}

void observe_probabilities(Context& ctx, const Var& logits) {
  if (!ctx.observing()) return;
  // The loss computes the softmax on its way; any label will do for that, and no gradient is wanted.
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(logits.shape()[0]), 0);
  const Loss loss = softmax_cross_entropy(ctx, Var(logits.value()), Tensor::from_labels(ctx.backend, labels),
                                          make_loss_sums(ctx.backend));
  ctx.observe("predictions", loss.probabilities);
}

}  // namespace thaw
