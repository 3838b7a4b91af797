#include "app/grid_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "app/options.h"
#include "app/terminal.h"
#include "kernels/error.h"

namespace thaw {

namespace {

/// Opening a run: weights, kernels that are compiled, the first step.
constexpr double kStartSeconds = 1;

std::int64_t batches_of(int photos, int batch) { return (photos + batch - 1) / batch; }

PlannedExperiment plan_one(const grid::Experiment& experiment, const PlanBasis& basis) {
  PlannedExperiment planned;
  planned.experiment = experiment;
  planned.settings = grid_settings_of(experiment);
  try {
    planned.settings.check();
    planned.photos = basis.photos(planned.settings);
    const Dtype dtype = basis.dtype(planned.settings);
    planned.cost = cost_of(planned.settings, {.dtype = dtype,
                                              .on_cuda = basis.on_cuda(planned.settings),
                                              .classes = planned.photos.classes,
                                              .roof = basis.roof(planned.settings)});
    const TrainSettings& s = planned.settings;
    planned.cached = !s.no_cache && planned.cost.cut > 0 && !s.flip && !s.crop;
    // Random weights are the seed's.
    const std::string origin = s.weights == "none" ? fmt::format("none {}", s.seed) : s.weights;
    planned.family =
        fmt::format("{} {} size {} batch {} {} {}", s.model, origin, s.size, s.batch, name_of(dtype), s.device);
  } catch (const Error& error) {
    fail(error.kind(), "experiment {} ({}): {}", experiment.index, experiment.name, error.what());
  }
  return planned;
}

double run_seconds(const PlannedExperiment& planned, const PlanBasis& basis) {
  const TrainSettings& s = planned.settings;
  const TrainingCost& cost = planned.cost;
  const PlanBasis::Photos& photos = planned.photos;
  const int looks = s.train_eval == "each" ? s.epochs : s.train_eval == "last" ? 1 : 0;
  const std::int64_t evaluated = batches_of(photos.val, s.batch) * s.epochs + batches_of(photos.test, s.batch) +
                                 batches_of(photos.train, s.batch) * looks;
  const std::int64_t trained = batches_of(photos.train, s.batch) * s.epochs;
  double each_step = cost.step_seconds / planned.shares.step;
  double each_look = cost.evaluate_seconds / planned.shares.forward;
  if (!planned.cached) {
    const double from_photo = basis.decode_seconds * s.batch + cost.prefix_from(0) / planned.shares.forward;
    each_step += from_photo;
    each_look += from_photo;
  }
  return each_step * static_cast<double>(trained) + each_look * static_cast<double>(evaluated);
}

/// Caches of a family while experiments are gone through in order.
struct FamilyCaches {
  std::vector<std::size_t> cuts;
  std::map<std::size_t, std::uint64_t> bytes;
  std::map<std::size_t, std::string> names;
};

double prefix_seconds(PlannedExperiment& planned, const PlanBasis& basis, const FamilyCaches& caches) {
  const std::size_t cut = planned.cost.cut;
  const int photos = planned.photos.train + planned.photos.val + planned.photos.test;
  const auto batches = static_cast<double>(batches_of(photos, planned.settings.batch));
  std::size_t source = 0;
  for (const std::size_t have : caches.cuts) {
    if (have <= cut) source = std::max(source, have);
  }
  if (source == cut) {
    planned.prefix_from = "the same cache";
    return 0;
  }
  planned.prefix_from = source == 0 ? "photos" : fmt::format("the cache before {}", caches.names.at(source));
  double seconds = planned.cost.prefix_from(source) * batches / planned.shares.forward;
  if (source == 0) seconds += basis.decode_seconds * photos;
  return seconds;
}

std::vector<std::size_t> cuts_left(const std::vector<PlannedExperiment>& all, std::size_t from,
                                   const std::string& family) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = from; i < all.size(); ++i) {
    if (all[i].cached && all[i].family == family) cuts.push_back(all[i].cost.cut);
  }
  return cuts;
}

/// Has the shares of each family measured on the experiment that trains most of the network.
void find_shares(std::vector<PlannedExperiment>& all, const PlanBasis& basis) {
  std::map<std::string, const PlannedExperiment*> most;
  for (const PlannedExperiment& planned : all) {
    const PlannedExperiment*& known = most[planned.family];
    if (known == nullptr || planned.cost.cut < known->cost.cut) known = &planned;
  }
  std::map<std::string, CeilingShares> shares;
  for (const auto& [family, planned] : most) shares[family] = basis.shares(planned->settings, planned->cost);
  for (PlannedExperiment& planned : all) planned.shares = shares.at(planned.family);
}

/// Goes through the experiments as the runner will, and notes what each takes.
void predict(GridPlan& plan, const PlanBasis& basis) {
  std::map<std::string, FamilyCaches> families;
  for (std::size_t i = 0; i < plan.experiments.size(); ++i) {
    PlannedExperiment& planned = plan.experiments[i];
    planned.seconds = kStartSeconds + run_seconds(planned, basis);
    planned.memory_bytes = planned.cost.memory.peak();
    if (planned.cached) {
      FamilyCaches& caches = families[planned.family];
      planned.cache_bytes = planned.cost.row_bytes * static_cast<std::uint64_t>(planned.photos.all);
      planned.seconds += prefix_seconds(planned, basis, caches);
      caches.names[planned.cost.cut] = planned.cost.cut_name;
      if (caches.bytes.emplace(planned.cost.cut, planned.cache_bytes).second) caches.cuts.push_back(planned.cost.cut);
    }
    std::uint64_t held = 0;
    for (auto& [family, caches] : families) {
      for (const auto& [cut, bytes] : caches.bytes) held += bytes;
      caches.cuts = wanted_cuts(caches.cuts, cuts_left(plan.experiments, i + 1, family));
      std::erase_if(caches.bytes, [&c = caches.cuts](const auto& entry) {
        return std::find(c.begin(), c.end(), entry.first) == c.end();
      });
    }
    planned.memory_bytes += std::min(held, parse_bytes(planned.settings.cache_limit, "--cache-limit"));
    plan.cache_bytes = std::max(plan.cache_bytes, held);
    plan.seconds += planned.seconds;
  }
}

std::string prefix_text(const PlannedExperiment& planned) {
  if (planned.cached) return planned.prefix_from;
  return planned.cost.cut == 0 ? "nothing is frozen" : "computed in every epoch";
}

}  // namespace

grid::KnownSettings known_grid_settings() {
  nlohmann::json standard = to_json(TrainSettings{});
  standard.erase("data");  // every experiment of a grid sees the same photos
  return {.standard = std::move(standard), .elsewhere = machine_settings()};
}

TrainSettings grid_settings_of(const grid::Experiment& experiment) {
  nlohmann::json settings = experiment.settings;
  settings["data"] = "";
  try {
    return train_settings_from(settings);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::usage, "experiment {} ({}) has an impossible number: {}", experiment.index, experiment.name,
         reason_of(error));
  }
}

GridPlan plan_grid(const std::vector<grid::Experiment>& experiments, const PlanBasis& basis) {
  GridPlan plan;
  for (const grid::Experiment& experiment : experiments) plan.experiments.push_back(plan_one(experiment, basis));
  find_shares(plan.experiments, basis);
  std::vector<std::string> families;  // in the order of the file
  for (const PlannedExperiment& planned : plan.experiments) {
    if (std::find(families.begin(), families.end(), planned.family) == families.end())
      families.push_back(planned.family);
  }
  const auto place = [&families](const PlannedExperiment& planned) {
    const auto family = std::find(families.begin(), families.end(), planned.family) - families.begin();
    return std::tuple(family, planned.cached ? planned.cost.cut : 0, planned.experiment.index);
  };
  std::sort(plan.experiments.begin(), plan.experiments.end(),
            [&place](const PlannedExperiment& a, const PlannedExperiment& b) { return place(a) < place(b); });
  predict(plan, basis);
  return plan;
}

std::vector<std::size_t> wanted_cuts(const std::vector<std::size_t>& have, const std::vector<std::size_t>& left) {
  if (left.empty()) return {};
  const std::size_t next = *std::min_element(left.begin(), left.end());
  std::size_t source = 0;
  for (const std::size_t cut : have) {
    if (cut <= next) source = std::max(source, cut);
  }
  std::vector<std::size_t> wanted;
  for (const std::size_t cut : have) {
    if (cut == source || std::find(left.begin(), left.end(), cut) != left.end()) wanted.push_back(cut);
  }
  return wanted;
}

std::string to_table(const GridPlan& plan) {
  Table table(
      {">no.", "experiment", "cut before", ">trainable", ">predicted", ">memory", ">cache", "frozen part from"});
  for (const PlannedExperiment& planned : plan.experiments) {
    table.add({std::to_string(planned.experiment.index), planned.experiment.name, planned.cost.cut_name,
               count_text(planned.cost.trainable_parameters), seconds_text(planned.seconds),
               bytes_text(planned.memory_bytes), planned.cached ? bytes_text(planned.cache_bytes) : "-",
               prefix_text(planned)});
  }
  return table.text() + fmt::format("\n{} experiments in this order, about {}; caches take {} at most\n",
                                    plan.experiments.size(), seconds_text(plan.seconds), bytes_text(plan.cache_bytes));
}

nlohmann::json to_json(const GridPlan& plan) {
  nlohmann::json rows = nlohmann::json::array();
  for (const PlannedExperiment& planned : plan.experiments) {
    rows.push_back({{"index", planned.experiment.index},
                    {"id", planned.experiment.id},
                    {"name", planned.experiment.name},
                    {"model", planned.settings.model},
                    {"unfreeze", planned.settings.unfreeze},
                    {"epochs", planned.settings.epochs},
                    {"cut", planned.cost.cut_name},
                    {"cut_index", planned.cost.cut},
                    {"trainable_parameters", planned.cost.trainable_parameters},
                    {"cached", planned.cached},
                    {"prefix_from", prefix_text(planned)},
                    {"predicted",
                     {{"seconds", planned.seconds},
                      {"memory_bytes", planned.memory_bytes},
                      {"cache_bytes", planned.cache_bytes}}}});
  }
  return {{"experiments", rows}, {"seconds", plan.seconds}, {"cache_bytes", plan.cache_bytes}};
}

}  // namespace thaw
