// Linked in place of cuDNN's planners in a build without CUDA.
#include "kernels/cuda/conv_survey.h"
#include "kernels/cuda/norm_survey.h"
#include "kernels/error.h"

namespace thaw::cuda {

namespace {

[[noreturn]] void fail_without_cudnn() {
  fail(ErrorKind::device,
       "[plan] this build of thaw has no CUDA, and without its cuDNN nobody can be asked for engines; configure with "
       "-DTHAW_CUDA=ON where nvcc is installed (cmake --preset cuda)");
}

}  // namespace

ConvSurvey survey_convs(const std::string&, std::span<const ConvRequest>, SurveyDepth) { fail_without_cudnn(); }

std::vector<NormSurveyRow> survey_norms(const std::string&, std::span<const NormRequest>) { fail_without_cudnn(); }

}  // namespace thaw::cuda
