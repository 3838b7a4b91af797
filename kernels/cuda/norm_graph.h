#pragma once

#include "kernels/cuda/conv_device.h"
#include "kernels/cuda/norm_plan.h"

namespace thaw::cuda {

/// cuDNN as the planner of batch norms: a request becomes a graph over (1,C,rows,1) in NHWC. Running statistics are not
/// in it, because cuDNN moves the running variance with the unbiased variance and Keras with the biased one.
class CudnnNormPlanner : public NormPlanner {
 public:
  /// Plans for the device of a live handle, which has to outlive the planner. `device` is that device's name.
  CudnnNormPlanner(cudnnContext* handle, std::string device);
  /// Plans for a device that is only described; no device is touched, and the plans cannot be executed.
  explicit CudnnNormPlanner(const DeviceFile& device);
  ~CudnnNormPlanner() override;

  [[nodiscard]] std::string device() const override { return device_; }
  [[nodiscard]] std::string version() const override;
  std::string for_each_plan(const NormRequest& request, std::string_view engine, const Use& use) override;

  /// Off: engines are asked whether they can, but plans are not finished, and so cannot be executed.
  bool finish = true;

 private:
  struct Target;
  std::string device_;
  std::unique_ptr<Target> target_;
};

}  // namespace thaw::cuda
