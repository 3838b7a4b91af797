#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "framework/network.h"
#include "tests/models/counting_backend.h"

namespace thaw::test {

/// What one training step has to cost by the model's table of rows and the frozen flags alone.
struct StepPrediction {
  Counts forward;   ///< backend calls of the first forward pass, loss included
  Counts backward;  ///< backend calls of the backward pass
  Counts closures;  ///< recorded, by op
  std::size_t saved_bytes = 0;
};

/// Reads the rows in Keras' order and follows what wants a gradient, by the rules of the design: a convolution with its
/// norm runs as one packed call where neither an input nor a parameter wants a gradient and no batch statistics are
/// used; else convolution and norm (with activation and addition) run and are recorded where something before or in
/// them trains; a closure saves its input only for a parameter's gradient or a derivative that needs it. f32, batch n.
/// For networks with a transfer head without hidden layers.
StepPrediction predict_step(const Network& network, int n);

}  // namespace thaw::test
