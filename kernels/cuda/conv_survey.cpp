#include "kernels/cuda/conv_survey.h"

#include <dlfcn.h>

#include <set>

#include "kernels/cuda/conv_graph.h"

namespace thaw::cuda {

namespace {

bool has_driver() {
  void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver != nullptr) dlclose(driver);
  return driver != nullptr;
}

SurveyRow ask(ConvPlanner& planner, const ConvRequest& request, SurveyDepth depth) {
  SurveyRow row{.request = request, .own_kernel = request.problem.depthwise()};
  const bool all = depth == SurveyDepth::all;
  if (row.own_kernel && !all) return row;
  std::set<std::string> seen;  // heuristics name an engine more than once
  row.reason = planner.for_each_plan(request, "", [&](const std::shared_ptr<const ConvPlan>& plan) {
    if (all && seen.insert(plan->facts().engine).second) row.engines.push_back(plan->facts());
    if (!row.own_kernel && row.facts.engine.empty()) row.facts = plan->facts();
    return all;
  });
  return row;
}

}  // namespace

ConvSurvey survey_convs(const std::string& gpu, std::span<const ConvRequest> requests, SurveyDepth depth) {
  const DeviceFile device = find_device(gpu);
  CudnnPlanner planner(device);
  planner.finish = false;
  ConvSurvey survey{
      .device = device.name, .version = planner.version(), .memory_bytes = device.memory_bytes, .driver = has_driver()};
  survey.rows.reserve(requests.size());
  for (const ConvRequest& request : requests) survey.rows.push_back(ask(planner, request, depth));
  return survey;
}

}  // namespace thaw::cuda
