#pragma once

#include <string>
#include <vector>

#include "kernels/backend.h"
#include "microscope/recorder.h"
#include "microscope/statistics.h"
#include "microscope/timed_backend.h"

namespace thaw::microscope {

/// A phase of a training step and what it took.
struct Phase {
  std::string name;  ///< "forward", "loss", "backward", "optimizer", and "step" for all of them
  Summary seconds;
};

/// What one kind of call took in a step, by an extra pass in which every call is waited for.
struct KindOfCall {
  std::string kind;  ///< "conv 1x1 forward"
  Work work;         ///< mean of a step
};

struct StepReport {
  std::vector<Phase> phases;
  bool settled = false;  ///< the whole step's interval is as narrow as asked
  std::vector<KindOfCall> kinds;
  BackendStats stats;
};

/// Runs training steps of a network with random weights on random pixels until the rule is satisfied: forward (with
/// preprocessing and the frozen part, which a real run may have cached), loss, backward, optimizer. Two steps warm up.
StepReport time_step(const std::shared_ptr<Backend>& backend, const NetOptions& options, const StopRule& rule);

/// Seconds of a whole batch, photos to logits without training, and of a training step on it.
struct Pace {
  double evaluate = 0;
  double step = 0;
};

/// The better of two each, behind a first one: as good as a prediction needs, in a few steps' time.
Pace quick_pace(const std::shared_ptr<Backend>& backend, const NetOptions& options);

}  // namespace thaw::microscope
