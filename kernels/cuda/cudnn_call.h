#pragma once

#include <cudnn.h>

#include <memory>
#include <string>
#include <string_view>

namespace thaw {

/// Throws `Error` (device) with the call's text, cuDNN's explanation and a way out, unless the call succeeded.
void check_cudnn(cudnnStatus_t status, const char* call);

/// Throws `Error` (device): cuDNN's front end refused something; `problem` is the line that reproduces it.
[[noreturn]] void fail_cudnn(std::string_view call, std::string_view problem, std::string_view reason);

/// A cuDNN handle whose work goes to one stream.
class CudnnHandle {
 public:
  explicit CudnnHandle(cudaStream_t stream);
  [[nodiscard]] cudnnHandle_t get() const { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(cudnnHandle_t handle) const noexcept { cudnnDestroy(handle); }
  };
  std::unique_ptr<cudnnContext, Destroy> handle_;
};

}  // namespace thaw

#define THAW_CUDNN(call) ::thaw::check_cudnn(call, #call)
