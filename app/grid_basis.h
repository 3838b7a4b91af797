#pragma once

#include <map>
#include <string>
#include <utility>

#include "app/grid_plan.h"
#include "app/shared_inputs.h"
#include "microscope/step.h"

namespace thaw {

struct GridBasisOptions {
  std::string data;
  std::string out;  ///< the grid's folder; empty: none
  int threads = 0;
  std::string roof = {};  ///< "GFLOPS,GBS" of another machine; empty: this one's are measured
};

/// Measures what predictions need, each thing once: how fast photos are decoded, what the device does at most, and how
/// long the networks really take for a batch. What
/// an earlier run into the same folder measured on the same device is taken over.
class GridBasis {
 public:
  /// `shared` must outlive the object, and the object what `get` returns.
  GridBasis(GridBasisOptions options, SharedInputs& shared);

  /// Throws `Error` as opening photos and devices does. `first` is any experiment.
  PlanBasis get(const TrainSettings& first);
  /// The device of an experiment, with what was measured of it.
  nlohmann::json machine(const TrainSettings& settings);

 private:
  using DeviceKey = std::pair<std::string, std::string>;  // device and dtype as the settings say them

  [[nodiscard]] Dataset dataset(const TrainSettings& settings);
  [[nodiscard]] PlanBasis::Photos photos(const TrainSettings& settings);
  const Device& device(const TrainSettings& settings);
  microscope::Ceilings roof(const TrainSettings& settings);
  CeilingShares shares(const TrainSettings& settings, const TrainingCost& cost);

  GridBasisOptions options_;
  SharedInputs& shared_;
  std::map<DeviceKey, Device> devices_;
  std::map<DeviceKey, microscope::Ceilings> roofs_;
  std::map<std::string, microscope::Pace> paces_;  // by network
  nlohmann::json before_;                          // what an earlier run wrote down
};

}  // namespace thaw
