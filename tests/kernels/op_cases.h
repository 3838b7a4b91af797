#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/kernels/op_run.h"

namespace thaw::tests {

/// One op on one problem: the forward call and every backward direction that it has.
struct OpCase {
  /// How results are compared with the oracle.
  enum class Exactness {
    never,     ///< within the tolerance of the dtype
    integers,  ///< a linear op: exactly on integer data, within the tolerance on real data
    always,    ///< nothing is rounded: exactly on any data
  };

  std::string family;  ///< "conv", "norm", ...: one test each
  std::string name;    ///< the problem's text with its dtype: the line that reproduces a failure
  Exactness exactness = Exactness::never;
  std::function<void(OpRun&)> run;
};

/// The families of `op_cases`, in its order.
const std::vector<std::string>& op_families();

/// Every case of activations of `dtype`: small problems of each kind that the networks contain, and the odd ones
/// (one row, one channel, channels that fill no vector, windows over the edge).
std::vector<OpCase> op_cases(Dtype dtype);

// The bodies of the cases; a problem's dtype is replaced by the run's.
void run_conv(OpRun& run, ConvProblem problem);
void run_norm(OpRun& run, NormProblem problem);
void run_pool(OpRun& run, PoolProblem problem);
void run_dense(OpRun& run, DenseProblem problem);
void run_scale(OpRun& run, ScaleProblem problem);
void run_squeeze_excite(OpRun& run, SqueezeExciteProblem problem);

// The parts of the table, one a file.
void add_conv_cases(Dtype dtype, std::vector<OpCase>& cases);
void add_layer_cases(Dtype dtype, std::vector<OpCase>& cases);
void add_elementwise_cases(Dtype dtype, std::vector<OpCase>& cases);
void add_training_cases(Dtype dtype, std::vector<OpCase>& cases);

}  // namespace thaw::tests
