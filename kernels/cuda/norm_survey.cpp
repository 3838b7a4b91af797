#include "kernels/cuda/norm_survey.h"

#include "kernels/cuda/norm_graph.h"

namespace thaw::cuda {

std::vector<NormSurveyRow> survey_norms(const std::string& gpu, std::span<const NormRequest> requests) {
  CudnnNormPlanner planner(find_device(gpu));
  planner.finish = false;
  std::vector<NormSurveyRow> rows;
  rows.reserve(requests.size());
  for (const NormRequest& request : requests) {
    NormSurveyRow row{.request = request};
    row.reason = planner.for_each_plan(request, "", [&row](const std::shared_ptr<const NormPlan>& plan) {
      row.facts = plan->facts();
      return false;
    });
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace thaw::cuda
