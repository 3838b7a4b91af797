#pragma once

#include <algorithm>

#include "models/recording_backend.h"
#include "models/selector.h"
#include "models/zoo.h"

namespace thaw {

/// A training run as far as it decides what a step asks of a device.
struct StepQuestion {
  std::string model;
  ModelOptions options = {};
  std::string unfreeze = "none";
  NormMode norms = NormMode::train;
  SelectorOptions reading = {};
  int batch = 32;
  Dtype dtype = Dtype::f32;
  bool as_cuda = false;  ///< see `RecordingBackend`
};

/// Bytes on the device. What is released within a step is reused, so the parts do not add up to `peak`.
struct StepMemory {
  std::size_t weights = 0;        ///< masters and norms' statistics
  std::size_t gradients = 0;      ///< of everything that trains
  std::size_t optimizer = 0;      ///< Adam's two moments of everything that trains
  std::size_t filter_copies = 0;  ///< bf16 copies of the filters that train, where activations are bf16
  std::size_t saved = 0;          ///< activations that are kept for the backward pass
  std::size_t prefix_peak = 0;    ///< most at once while the frozen prefix is computed
  std::size_t step_peak = 0;      ///< most at once in a warm training step, all of the above included

  [[nodiscard]] std::size_t peak() const { return std::max(prefix_peak, step_peak); }
};

/// What one training step asks of its backend, without computing it.
struct StepRecord {
  std::size_t cut = 0;           ///< the first stage that a step runs
  std::string cut_name = {};     ///< its name
  std::vector<ConvCall> prefix;  ///< of the stages before the cut, once a batch of images
  std::vector<ConvCall> step;
  std::vector<NormCall> prefix_norms;  ///< those that are not folded into a convolution
  std::vector<NormCall> step_norms;
  StepMemory memory;
};

/// Builds the model on a `RecordingBackend` and takes the steps that `Trainer` takes, with Adam: the prefix, then two
/// steps from the cut, of which the second is the one that counts. Throws `Error` (usage) as `build_model` and
/// `select_layers` do.
StepRecord record_step(const StepQuestion& question);

}  // namespace thaw
