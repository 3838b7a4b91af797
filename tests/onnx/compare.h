#pragma once

#include <string>
#include <vector>

#include "kernels/dtype.h"
#include "tests/onnx/model.h"

namespace thaw::test {

/// What a computation in `dtype` may be away from published numbers, which were computed in f32: |a - b| <= tolerance *
/// max(|b|, root mean square of the output). Integers and not finite numbers are compared exactly.
double tolerance_of(Dtype dtype);

struct Comparison {
  std::string difference;  ///< the first element that is too far away; empty where there is none
  double worst = 0;        ///< the largest |a - b| / max(|b|, root mean square)
  int left_out = 0;        ///< outputs that thaw does not have
};

Comparison compare(const std::vector<Array>& published, const std::vector<Array>& found, double tolerance);

}  // namespace thaw::test
