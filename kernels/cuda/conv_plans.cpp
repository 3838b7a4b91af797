#include "kernels/cuda/conv_plans.h"

#include <cmath>
#include <limits>
#include <set>

#include "kernels/error.h"

namespace thaw::cuda {

ConvPlans::ConvPlans(std::unique_ptr<ConvPlanner> planner, ConvPlanOptions options)
    : planner_(std::move(planner)),
      options_(std::move(options)),
      choices_(options_.folder, planner_->device(), planner_->version()) {}

ConvPlans::~ConvPlans() {
  try {
    save();
  } catch (const std::exception&) {  // the next run chooses anew; the heuristics are the same
  }
}

const ConvPlan& ConvPlans::find(const ConvProblem& problem, ConvDirection direction) {
  const ConvRequest request = make_request(problem, direction, options_.rules);
  std::shared_ptr<const ConvPlan>& plan = plans_[request.text()];
  if (plan == nullptr) plan = make(request);
  return *plan;
}

std::vector<std::shared_ptr<const ConvPlan>> ConvPlans::offered(const ConvProblem& problem, ConvDirection direction,
                                                                std::string_view engine) {
  std::vector<std::shared_ptr<const ConvPlan>> plans;
  std::set<std::string> seen;  // heuristics name an engine more than once
  planner_->for_each_plan(make_request(problem, direction, options_.rules), engine,
                          [&](std::shared_ptr<const ConvPlan> plan) {
                            if (seen.insert(plan->facts().engine).second) plans.push_back(std::move(plan));
                            return true;
                          });
  return plans;
}

std::vector<std::string> ConvPlans::notes() const {
  std::vector<std::string> all = choices_.notes();
  all.insert(all.end(), notes_.begin(), notes_.end());
  return all;
}

std::shared_ptr<const ConvPlan> ConvPlans::make(const ConvRequest& request) {
  if (auto plan = remembered(request)) return plan;
  std::string reason;
  const bool timed = static_cast<bool>(options_.time);
  auto plan = timed ? fastest(request, reason) : first(request, reason);
  if (plan == nullptr) {
    fail(ErrorKind::device, "[conv] no engine of {} computes {} on {}{}{}; choose another --dtype, or --device cpu",
         planner_->version(), request.text(), planner_->device(), reason.empty() ? "" : ": ", reason);
  }
  choices_.set(request.text(), {.engine = plan->facts().engine, .timed = timed});
  return plan;
}

std::shared_ptr<const ConvPlan> ConvPlans::remembered(const ConvRequest& request) {
  const auto choice = choices_.find(request.text());
  if (!choice || (options_.time && !choice->timed)) return nullptr;
  std::shared_ptr<const ConvPlan> plan;
  planner_->for_each_plan(request, choice->engine, [&plan](std::shared_ptr<const ConvPlan> made) {
    plan = std::move(made);
    return false;
  });
  if (plan == nullptr) {
    notes_.push_back(fmt::format("the engine {} that was chosen for {} is no longer offered; another one is chosen",
                                 choice->engine, request.text()));
  }
  return plan;
}

std::shared_ptr<const ConvPlan> ConvPlans::first(const ConvRequest& request, std::string& reason) {
  std::shared_ptr<const ConvPlan> plan;
  reason = planner_->for_each_plan(request, "", [&plan](std::shared_ptr<const ConvPlan> made) {
    plan = std::move(made);
    return false;
  });
  return plan;
}

std::shared_ptr<const ConvPlan> ConvPlans::fastest(const ConvRequest& request, std::string& reason) {
  std::shared_ptr<const ConvPlan> best;
  double least = std::numeric_limits<double>::infinity();
  std::set<std::string> seen;  // heuristics name an engine more than once
  std::string failed;
  reason = planner_->for_each_plan(request, "", [&](std::shared_ptr<const ConvPlan> plan) {
    if (!seen.insert(plan->facts().engine).second) return true;
    try {
      const double seconds = options_.time(request, *plan);
      if (std::isfinite(seconds) && seconds < least) {
        least = seconds;
        best = std::move(plan);
      }
    } catch (const Error& error) {
      failed = error.what();
      notes_.push_back(fmt::format("an engine was left out: {}", failed));
    }
    return seen.size() < options_.most_timed;
  });
  if (best == nullptr && !failed.empty()) reason = failed;
  return best;
}

}  // namespace thaw::cuda
