#pragma once

#include <unordered_map>

#include "kernels/cuda/conv_choices.h"
#include "kernels/cuda/norm_plan.h"

namespace thaw::cuda {

struct NormPlanOptions {
  bool fast = false;
  std::filesystem::path folder = {};  ///< where choices are remembered, in the file of the convolutions; empty: nowhere
  /// Seconds of one execution with all that the caller adds to it: of a plan or, for null, of own kernels. Where it is
  /// not set, own kernels compute everything.
  std::function<double(const NormRequest&, const NormPlan*)> time = {};
  std::size_t most_timed = 24;  ///< plans of a request, in the planner's order
};

/// Whether own kernels or an engine of the library compute a norm: own kernels, unless both may be timed and an engine
/// was faster. Chosen once for each request, kept, and as an earlier run timed it. For one thread.
class NormPlans {
 public:
  NormPlans(std::unique_ptr<NormPlanner> planner, NormPlanOptions options);
  /// Remembers what was chosen, as far as that can be written.
  ~NormPlans();
  NormPlans(const NormPlans&) = delete;
  NormPlans& operator=(const NormPlans&) = delete;

  /// Null: own kernels.
  const NormPlan* find(const NormProblem& problem, NormDirection direction);
  /// Writes what was chosen. Throws `Error` (failed).
  void save() { choices_.save(); }

  [[nodiscard]] std::int64_t made() const { return made_; }
  /// Sentences about choices that could not be followed.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  using Plan = std::shared_ptr<const NormPlan>;

  Plan choose(const NormRequest& request);
  /// Whether an earlier run's choice holds, which is `plan` then.
  bool remembered(const NormRequest& request, Plan& plan);
  Plan fastest(const NormRequest& request);

  std::unique_ptr<NormPlanner> planner_;
  NormPlanOptions options_;
  ConvChoices choices_;
  std::unordered_map<std::string, Plan> plans_;
  std::int64_t made_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace thaw::cuda
