#include "kernels/cuda/conv_survey.h"

#include <dlfcn.h>

#include "kernels/cuda/conv_graph.h"

namespace thaw::cuda {

namespace {

bool has_driver() {
  void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver != nullptr) dlclose(driver);
  return driver != nullptr;
}

SurveyRow ask(ConvPlanner& planner, const ConvRequest& request) {
  SurveyRow row{.request = request, .own_kernel = request.problem.depthwise()};
  if (row.own_kernel) return row;
  row.reason = planner.for_each_plan(request, "", [&row](const std::shared_ptr<const ConvPlan>& plan) {
    row.facts = plan->facts();
    return false;
  });
  return row;
}

}  // namespace

ConvSurvey survey_convs(const std::string& gpu, std::span<const ConvRequest> requests) {
  const DeviceFile device = find_device(gpu);
  CudnnPlanner planner(device);
  planner.finish = false;
  ConvSurvey survey{
      .device = device.name, .version = planner.version(), .memory_bytes = device.memory_bytes, .driver = has_driver()};
  survey.rows.reserve(requests.size());
  for (const ConvRequest& request : requests) survey.rows.push_back(ask(planner, request));
  return survey;
}

}  // namespace thaw::cuda
