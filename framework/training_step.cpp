#include "framework/training_step.h"

#include "framework/ops.h"

namespace thaw {

void take_step(Network& network, Context ctx, const StepInputs& inputs, Optimizer& optimizer,
               const std::function<void(const Tape&)>& before_backward) {
  Tape tape;
  ctx.tape = &tape;
  ctx.training = true;
  {
    const Var logits = network.forward(ctx, inputs.x, inputs.cut, network.stages.size());
    softmax_cross_entropy(ctx, logits, inputs.labels, inputs.sums);
  }
  before_backward(tape);
  tape.backward();
  optimizer.step(inputs.trainable, inputs.learning_rate);
  network.parameters.clear_gradients();
}

}  // namespace thaw
