#pragma once

#include <vector>

#include "app/train_settings.h"
#include "microscope/ceilings.h"
#include "models/step_record.h"

namespace thaw {

inline constexpr int kStandardSize = 224;
/// Height and width of a training's photos.
inline int input_size_of(const TrainSettings& settings) { return settings.size == 0 ? kStandardSize : settings.size; }

/// What one batch of a training costs a device that reaches its ceilings, and what it keeps.
struct TrainingCost {
  std::size_t cut = 0;
  std::string cut_name = {};
  std::size_t stages = 0;
  std::int64_t trainable_parameters = 0;
  StepMemory memory = {};
  std::size_t row_bytes = 0;                ///< of one image before the cut
  std::vector<double> prefix_seconds = {};  ///< of each frozen stage
  double step_seconds = 0;                  ///< forward, backward and update from the cut on
  double evaluate_seconds = 0;              ///< forward from the cut on

  /// Of the frozen stages [from, cut).
  [[nodiscard]] double prefix_from(std::size_t from) const;
};

/// What a training's cost depends on beside its settings.
struct CostBasis {
  Dtype dtype = Dtype::f32;  ///< of activations
  bool on_cuda = false;      ///< a device that keeps bf16 copies of what trains; see `RecordingBackend`
  int classes = 0;
  microscope::Ceilings roof = {};
};

/// Counts the calls of a training without computing them; a call takes as long as its arithmetic
/// or its least traffic does under `roof`, the longer of the two. Throws `Error` (usage) for an unknown model or an
/// impossible selector.
TrainingCost cost_of(const TrainSettings& settings, const CostBasis& basis);

}  // namespace thaw
