#include "kernels/cuda/norm_plan.h"

namespace thaw::cuda {

std::string_view name_of(NormDirection direction) {
  switch (direction) {
    case NormDirection::forward: return "forward";
    case NormDirection::backward: return "backward";
  }
  return "?";
}

bool NormRequest::expressible() const {
  if (!problem.training) return false;
  return problem.act == Act::relu || (problem.act == Act::linear && !problem.residual);
}

std::string NormRequest::text() const {
  std::string out = problem.text();
  out += ' ';
  out += name_of(direction);
  if (fast) out += " fast";
  return out;
}

}  // namespace thaw::cuda
