#include "kernels/cuda/conv_survey.h"

namespace thaw::cuda {

std::string ConvRequest::text() const {
  std::string out = problem.text();
  out += ' ';
  out += name_of(direction);
  if (rules.tf32) out += " tf32";
  if (rules.fast) out += " fast";
  return out;
}

ConvRequest make_request(const ConvProblem& problem, ConvDirection direction, const ConvRules& rules) {
  ConvRequest request{.problem = problem, .direction = direction, .rules = rules};
  if (direction != ConvDirection::forward) {
    request.problem.bias = false;
    request.problem.residual = false;
    request.problem.act = Act::linear;
  }
  request.rules.tf32 = rules.tf32 && problem.dtype == Dtype::f32;
  return request;
}

std::size_t SurveyRow::scratch_bytes(bool casts_filter) const {
  if (own_kernel) return 0;
  const ConvProblem& p = request.problem;
  const bool cast = casts_filter || (request.direction == ConvDirection::filter && facts.output != Dtype::f32);
  return facts.workspace_bytes + (cast ? static_cast<std::size_t>(p.filter_size()) * size_of(p.dtype) : 0);
}

}  // namespace thaw::cuda
