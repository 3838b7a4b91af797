#pragma once

#include <functional>
#include <vector>

#include "framework/network.h"
#include "framework/optimizer.h"

namespace thaw {

/// What a training step works on.
struct StepInputs {
  Var x;                                     ///< input of stage `cut`
  Tensor labels;                             ///< (N) i32
  Tensor sums;                               ///< a `LossSums`, added to
  std::size_t cut = 0;                       ///< the first stage that is run
  const std::vector<Parameter*>& trainable;  ///< what the optimizer may update
  double learning_rate = 0;
};

/// Forward, loss, backward and update. `ctx` gives backend, dtype, seed, step and dropout masks; the tape is the call's
/// own and is shown to `before_backward`.
void take_step(
    Network& network, Context ctx, const StepInputs& inputs, Optimizer& optimizer,
    const std::function<void(const Tape&)>& before_backward = [](const Tape&) {});

}  // namespace thaw
