#pragma once

#include <cstdint>
#include <limits>

#include "kernels/cuda/conv_device.h"
#include "kernels/cuda/conv_plan.h"

namespace thaw::cuda {

/// cuDNN as the planner of convolutions: a request becomes a graph of NHWC tensors, and cuDNN's heuristics order the
/// engines that take it. Depthwise problems plan too, with filters (C,R,S,1) instead of thaw's (R,S,C).
class CudnnPlanner : public ConvPlanner {
 public:
  /// Plans for the device of a live handle, which has to outlive the planner. `device` is that device's name.
  CudnnPlanner(cudnnContext* handle, std::string device);
  /// Plans for a device that is only described; no device is touched, and the plans cannot be executed.
  explicit CudnnPlanner(const DeviceFile& device);
  ~CudnnPlanner() override;

  [[nodiscard]] std::string device() const override { return device_; }
  [[nodiscard]] std::string version() const override;
  std::string for_each_plan(const ConvRequest& request, std::string_view engine, const Use& use) override;

  /// Engines that want more workspace are passed over.
  std::int64_t workspace_limit = std::numeric_limits<std::int64_t>::max();
  /// Off: engines are asked whether they can, but plans are not finished, and so cannot be executed. An engine that is
  /// compiled at run time then answers in milliseconds instead of a second.
  bool finish = true;

 private:
  struct Target;
  std::string device_;
  std::unique_ptr<Target> target_;
};

/// The device of a handle as a file for `DeviceFile::parse`: what a machine that has no such device can plan for.
std::string dump_device(cudnnContext* handle);

}  // namespace thaw::cuda
