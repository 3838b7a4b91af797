#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/cuda/norm_plan.h"

namespace thaw::cuda {

/// What a GPU has for one norm. Own kernels compute every norm; cuDNN's engine is what `autotune` would time first
/// against them.
struct NormSurveyRow {
  NormRequest request;
  NormPlanFacts facts = {};  ///< of cuDNN's engine; its name is empty where there is none
  std::string reason = {};   ///< why there is none
};

/// Asks cuDNN for the engine that it would recommend for each request, in their order. Every engine of a norm is
/// compiled at run time, so without a driver none can be asked. Throws as `survey_convs`.
std::vector<NormSurveyRow> survey_norms(const std::string& gpu, std::span<const NormRequest> requests);

}  // namespace thaw::cuda
