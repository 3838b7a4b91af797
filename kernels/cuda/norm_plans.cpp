#include "kernels/cuda/norm_plans.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "kernels/error.h"

namespace thaw::cuda {

namespace {

/// What stands for own kernels where an engine's name would.
constexpr const char* kOwn = "own";

}  // namespace

NormPlans::NormPlans(std::unique_ptr<NormPlanner> planner, NormPlanOptions options)
    : planner_(std::move(planner)),
      options_(std::move(options)),
      choices_(options_.folder, planner_->device(), planner_->version()) {}

NormPlans::~NormPlans() {
  try {
    save();
  } catch (const std::exception&) {  // the next run times anew
  }
}

const NormPlan* NormPlans::find(const NormProblem& problem, NormDirection direction) {
  const NormRequest request{.problem = problem, .direction = direction, .fast = options_.fast};
  if (!options_.time || !request.expressible()) return nullptr;
  const auto [place, fresh] = plans_.try_emplace(request.text());
  if (!fresh) return place->second.get();
  try {
    place->second = choose(request);
  } catch (...) {
    plans_.erase(place);
    throw;
  }
  if (place->second != nullptr) ++made_;
  return place->second.get();
}

std::vector<std::string> NormPlans::notes() const {
  std::vector<std::string> all = choices_.notes();
  all.insert(all.end(), notes_.begin(), notes_.end());
  return all;
}

NormPlans::Plan NormPlans::choose(const NormRequest& request) {
  Plan plan;
  if (remembered(request, plan)) return plan;
  plan = fastest(request);
  choices_.set(request.text(), {.engine = plan == nullptr ? kOwn : plan->facts().engine, .timed = true});
  return plan;
}

bool NormPlans::remembered(const NormRequest& request, Plan& plan) {
  const auto choice = choices_.find(request.text());
  if (!choice || !choice->timed) return false;
  if (choice->engine == kOwn) return true;
  planner_->for_each_plan(request, choice->engine, [&plan](Plan made) {
    plan = std::move(made);
    return false;
  });
  if (plan == nullptr) {
    notes_.push_back(fmt::format("the engine {} that was chosen for {} is no longer offered; it is timed anew",
                                 choice->engine, request.text()));
  }
  return plan != nullptr;
}

NormPlans::Plan NormPlans::fastest(const NormRequest& request) {
  Plan best;
  double least = options_.time(request, nullptr);
  std::set<std::string> seen;  // heuristics name an engine more than once
  planner_->for_each_plan(request, "", [&](Plan plan) {
    if (!seen.insert(plan->facts().engine).second) return true;
    try {
      const double seconds = options_.time(request, plan.get());
      if (std::isfinite(seconds) && seconds < least) {
        least = seconds;
        best = std::move(plan);
      }
    } catch (const Error& error) {
      notes_.push_back(fmt::format("an engine was left out: {}", error.what()));
    }
    return seen.size() < options_.most_timed;
  });
  return best;
}

}  // namespace thaw::cuda
