#pragma once

#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"

namespace thaw::test {

/// A device that the host cannot look into, with room for blocks up to a size.
class BlindBackend : public ReferenceBackend {
 public:
  explicit BlindBackend(std::size_t largest) : largest_(largest) {}
  void* host_view(void*) override { return nullptr; }
  void* allocate(std::size_t bytes) override {
    if (bytes > largest_) fail(ErrorKind::failed, "{} bytes do not fit", bytes);
    return ReferenceBackend::allocate(bytes);
  }
  void upload(void* device, const void* host, std::size_t bytes) override {
    uploaded += bytes;
    ReferenceBackend::upload(device, host, bytes);
  }
  std::size_t uploaded = 0;

 private:
  std::size_t largest_;
};

}  // namespace thaw::test
