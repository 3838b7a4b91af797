#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/grid_cost.h"
#include "app/session.h"
#include "grid/grid_file.h"

namespace thaw {

/// What networks reach of the ceilings in a whole step where it was not measured (docs/results.md, "Speed").
inline constexpr double kUsualShare = 0.8;

/// Which share of the ceilings a network reaches on a device: least time over real time.
struct CeilingShares {
  double step = kUsualShare;     ///< of a training step from the cut on
  double forward = kUsualShare;  ///< of evaluation and of the frozen part
};

/// What the times of a plan are computed from.
struct PlanBasis {
  /// Photos of an experiment.
  struct Photos {
    int all = 0, train = 0, val = 0, test = 0;
    int classes = 0;
  };
  std::function<Photos(const TrainSettings&)> photos;
  double decode_seconds = 0;  ///< of one photo, resized
  std::function<microscope::Ceilings(const TrainSettings&)> roof;
  std::function<Dtype(const TrainSettings&)> dtype;
  std::function<bool(const TrainSettings&)> on_cuda = [](const TrainSettings&) { return false; };
  /// Measured once for experiments that share a network, on the one that trains most of it.
  std::function<CeilingShares(const TrainSettings&, const TrainingCost&)> shares =
      [](const TrainSettings&, const TrainingCost&) { return CeilingShares{}; };
};

/// An experiment as it will be run.
struct PlannedExperiment {
  grid::Experiment experiment = {};
  TrainSettings settings = {};
  PlanBasis::Photos photos = {};
  TrainingCost cost = {};
  CeilingShares shares = {};
  bool cached = false;            ///< its frozen prefix
  std::string family = {};        ///< prefixes are shared within one
  double seconds = 0;             ///< predicted, sharing included
  std::uint64_t cache_bytes = 0;  ///< of its prefix
  std::uint64_t memory_bytes = 0;
  std::string prefix_from = {};  ///< "photos", "the cache before STAGE", "the same cache", or "" where not cached
};

/// Experiments in an order in which every prefix is computed once, deeper ones from shallower ones.
struct GridPlan {
  std::vector<PlannedExperiment> experiments;
  double seconds = 0;             ///< predicted, of all
  std::uint64_t cache_bytes = 0;  ///< most that caches hold at once
};

/// Which settings are set per machine and say nothing about what is learned.
grid::KnownSettings known_grid_settings();
/// The settings of an experiment, but for the photos. Throws `Error` (usage) for a number that its setting cannot hold.
TrainSettings grid_settings_of(const grid::Experiment& experiment);

/// Plans the experiments. Throws `Error` (usage) naming the experiment whose settings are impossible.
GridPlan plan_grid(const std::vector<grid::Experiment>& experiments, const PlanBasis& basis);

/// The caches that are still wanted while `left` experiments of a family are to come: positions of cuts among `have`.
/// A deeper experiment starts from the deepest shallower cache.
std::vector<std::size_t> wanted_cuts(const std::vector<std::size_t>& have, const std::vector<std::size_t>& left);

/// A table for a terminal, and the same for programs.
std::string to_table(const GridPlan& plan);
nlohmann::json to_json(const GridPlan& plan);

}  // namespace thaw
