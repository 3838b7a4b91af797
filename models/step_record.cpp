#include "models/step_record.h"

#include "framework/training_step.h"

namespace thaw {

namespace {

/// The frozen prefix of one batch.
Var run_prefix(const Network& network, Context ctx, int batch, std::size_t cut) {
  ctx.tape = nullptr;
  ctx.training = false;
  const Tensor pixels = Tensor::empty(ctx.backend, {batch, network.size, network.size, 3}, ctx.master());
  return network.forward(ctx, network.input(ctx, pixels), 0, cut);
}

/// One training step from the cut on; returns what it keeps for its backward pass.
std::size_t run_step(Network& network, Context ctx, const Var& x, std::size_t cut, Optimizer& optimizer) {
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(x.shape()[0]), 0);
  const StepInputs inputs{.x = x,
                          .labels = Tensor::from_labels(ctx.backend, labels),
                          .sums = make_loss_sums(ctx.backend),
                          .cut = cut,
                          .trainable = network.parameters.trainable(),
                          .learning_rate = 1e-3};
  std::size_t saved = 0;
  take_step(network, ctx, inputs, optimizer, [&saved](const Tape& tape) { saved = tape.saved_bytes(); });
  return saved;
}

std::size_t trainable_bytes(Network& network) {
  std::size_t bytes = 0;
  for (const Parameter* parameter : network.parameters.trainable()) bytes += parameter->value().bytes();
  return bytes;
}

}  // namespace

StepRecord record_step(const StepQuestion& question) {
  const auto backend = std::make_shared<RecordingBackend>(question.as_cuda);
  const auto network = build_model(question.model, backend, question.options);
  apply_selection(*network, select_layers(*network, question.unfreeze, question.reading), question.norms);
  const auto optimizer = make_adam();
  Context ctx;
  ctx.backend = backend;
  ctx.dtype = question.dtype;

  StepRecord record;
  record.cut = network->cut();
  record.cut_name = network->stages.at(record.cut).name;  // a head always trains
  record.memory.weights = backend->stats().used_bytes;
  record.memory.gradients = trainable_bytes(*network);
  record.memory.optimizer = 2 * record.memory.gradients;
  backend->reset_peak();
  const Var x = run_prefix(*network, ctx, question.batch, record.cut);
  record.prefix = backend->conv_calls();
  record.prefix_norms = backend->norm_calls();
  record.memory.prefix_peak = record.cut > 0 ? backend->stats().peak_bytes : 0;
  for (int step = 0; step < 2; ++step) {
    backend->clear_calls();
    backend->reset_peak();
    record.memory.saved = run_step(*network, ctx, x, record.cut, *optimizer);
  }
  record.step = backend->conv_calls();
  record.memory.filter_copies = backend->filter_copy_bytes();
  record.step_norms = backend->norm_calls();
  record.memory.step_peak = backend->stats().peak_bytes;
  return record;
}

}  // namespace thaw
