#include "tests/kernels/op_cases.h"

namespace thaw::tests {

const std::vector<std::string>& op_families() {
  static const std::vector<std::string> families = {
      "conv", "depthwise", "norm",   "pool",   "dense",   "squeeze_excite", "act",     "add",      "scale",
      "pad",  "cast",      "pixels", "photos", "dropout", "sums",           "softmax", "optimizer"};
  return families;
}

std::vector<OpCase> op_cases(Dtype dtype) {
  std::vector<OpCase> cases;
  add_conv_cases(dtype, cases);
  add_layer_cases(dtype, cases);
  add_elementwise_cases(dtype, cases);
  add_training_cases(dtype, cases);
  return cases;
}

}  // namespace thaw::tests
