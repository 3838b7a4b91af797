// Linked in place of cuDNN's planner in a build without CUDA.
#include "kernels/cuda/conv_survey.h"
#include "kernels/error.h"

namespace thaw::cuda {

ConvSurvey survey_convs(const std::string&, std::span<const ConvRequest>, SurveyDepth) {
  fail(ErrorKind::device,
       "[plan] this build of thaw has no CUDA, and without its cuDNN nobody can be asked for engines; configure with "
       "-DTHAW_CUDA=ON where nvcc is installed (cmake --preset cuda)");
}

}  // namespace thaw::cuda
