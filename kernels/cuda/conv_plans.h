#pragma once

#include <unordered_map>

#include "kernels/cuda/conv_choices.h"
#include "kernels/cuda/conv_plan.h"

namespace thaw::cuda {

struct ConvPlanOptions {
  ConvRules rules = {};
  std::filesystem::path folder = {};  ///< where chosen engines are remembered; empty: nowhere
  /// Seconds of one execution of a plan with all that the caller adds to it. Where it is set, plans are chosen by it.
  std::function<double(const ConvRequest&, const ConvPlan&)> time = {};
  std::size_t most_timed = 24;  ///< plans of a request, in the planner's order
};

/// The plans of a device: made when they are first asked for, kept, and chosen as an earlier run chose. For one thread.
class ConvPlans {
 public:
  ConvPlans(std::unique_ptr<ConvPlanner> planner, ConvPlanOptions options);
  /// Remembers what was chosen, as far as that can be written.
  ~ConvPlans();
  ConvPlans(const ConvPlans&) = delete;
  ConvPlans& operator=(const ConvPlans&) = delete;

  /// Throws `Error` (device) naming the request and the reason where no engine computes it.
  const ConvPlan& find(const ConvProblem& problem, ConvDirection direction);
  /// Every plan that the planner offers, in its order and each engine once, or those of one engine only. Made anew.
  std::vector<std::shared_ptr<const ConvPlan>> offered(const ConvProblem& problem, ConvDirection direction,
                                                       std::string_view engine = {});
  /// Writes the chosen engines. Throws `Error` (failed).
  void save() { choices_.save(); }

  [[nodiscard]] std::int64_t made() const { return static_cast<std::int64_t>(plans_.size()); }
  /// Sentences about choices that could not be followed.
  [[nodiscard]] std::vector<std::string> notes() const;
  [[nodiscard]] ConvPlanner& planner() { return *planner_; }

 private:
  std::shared_ptr<const ConvPlan> make(const ConvRequest& request);
  /// The plan that an earlier run chose, or null.
  std::shared_ptr<const ConvPlan> remembered(const ConvRequest& request);
  std::shared_ptr<const ConvPlan> first(const ConvRequest& request, std::string& reason);
  std::shared_ptr<const ConvPlan> fastest(const ConvRequest& request, std::string& reason);

  std::unique_ptr<ConvPlanner> planner_;
  ConvPlanOptions options_;
  ConvChoices choices_;
  std::unordered_map<std::string, std::shared_ptr<const ConvPlan>> plans_;
  std::vector<std::string> notes_;
};

}  // namespace thaw::cuda
