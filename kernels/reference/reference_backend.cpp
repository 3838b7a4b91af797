#include "kernels/reference/reference_backend.h"

#include <omp.h>
#include <unistd.h>

#include <cstring>

namespace thaw {

namespace {

std::size_t physical_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page) : 0;
}

}  // namespace

ReferenceBackend::ReferenceBackend(const BackendOptions& options)
    : threads_(options.threads > 0 ? options.threads : omp_get_num_procs()), memory_(options.poison) {}

DeviceInfo ReferenceBackend::info() const {
  DeviceInfo info = reference_device();
  info.threads = threads_;
  return info;
}

bool ReferenceBackend::supports(Dtype dtype) const {
  return dtype == Dtype::f64 || dtype == Dtype::f32 || dtype == Dtype::bf16;
}

void ReferenceBackend::upload(void* device, const void* host, std::size_t bytes) { copy(device, host, bytes); }

void ReferenceBackend::download(void* host, const void* device, std::size_t bytes) { copy(host, device, bytes); }

void ReferenceBackend::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memmove(to, from, bytes);
}

void ReferenceBackend::zero(void* device, std::size_t bytes) {
  if (bytes > 0) std::memset(device, 0, bytes);
}

std::shared_ptr<Backend> make_reference_backend(const BackendOptions& options) {
  return std::make_shared<ReferenceBackend>(options);
}

DeviceInfo reference_device() {
  return {.backend = "reference",
          .name = "naive loops in double precision",
          .detail = "the oracle of the tests, slow",
          .threads = omp_get_num_procs(),
          .memory_bytes = physical_memory(),
          .usable = true,
          .best_dtype = Dtype::f64};
}

}  // namespace thaw
