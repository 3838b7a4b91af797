#pragma once

#include "kernels/cuda/library.h"

namespace thaw::cuda {

/// A library that has a plan for nothing: what tests build theirs on.
class EmptyLibrary : public Library {
 public:
  bool conv_forward(const ConvProblem&, const void*, const ConvForward&) override { return false; }
  bool conv_backward_data(const ConvProblem&, const void*, const void*, void*) override { return false; }
  bool conv_backward_filter(const ConvProblem&, const void*, const void*, float*) override { return false; }
  bool dense_forward(const DenseProblem&, const void*, const void*, const void*, void*) override { return false; }
  bool dense_backward_data(const DenseProblem&, const void*, const void*, void*) override { return false; }
  bool dense_backward_weights(const DenseProblem&, const void*, const void*, float*) override { return false; }
  std::vector<ConvWay> conv_engines(const ConvTask&) override { return {}; }
  std::function<void()> bind_conv(const ConvTask& task, const std::string& engine, const ConvOperands&) override {
    fail_way(task, engine);
  }
  Dtype conv_result(const ConvTask& task) override { return task.problem.dtype; }
  bool norm_forward(Workspace&, const NormProblem&, const NormForward&) override { return false; }
  bool norm_backward(Workspace&, const NormProblem&, const NormBackward&) override { return false; }
  [[nodiscard]] std::int64_t plans() const override { return 0; }
};

}  // namespace thaw::cuda
