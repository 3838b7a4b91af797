#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/session.h"
#include "app/trace_table.h"

namespace thaw {

/// Every layer's output for these pixels (N,S,S,3), in inference mode, in Keras' order.
TraceTable trace_layers(const Session& session, const Tensor& pixels);

struct TraceTraining {
  int steps = 3;
  double lr = 1e-4;
};

/// What some steps of Adam on one batch do.
struct TrainingTrace {
  nlohmann::json report;  ///< as golden/train_*.json: per step loss, accuracy, gradient norm, first probabilities
  TraceTable variables;   ///< as golden/train_*_vars.csv
};

/// Trains on the same pixels and labels (N) in every step. The network's frozen flags and norm mode decide what moves.
TrainingTrace trace_training(const Session& session, const Tensor& pixels, const std::vector<std::int32_t>& labels,
                             const TraceTraining& training);

}  // namespace thaw
