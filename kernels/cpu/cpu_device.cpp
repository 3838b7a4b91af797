#include <unistd.h>

#include <fstream>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/product_engine.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/error.h"

namespace thaw {

namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    // x86 says "model name", some ARM boards "Hardware" or "Model".
    for (const char* key : {"model name", "Hardware", "Model"}) {
      const auto colon = line.find(": ");
      if (line.starts_with(key) && colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

std::string_view onednn_isa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx: return "amx";
    case dnnl::cpu_isa::avx512_core_bf16: return "avx512_bf16";
    case dnnl::cpu_isa::avx512_core_vnni: return "avx512_vnni";
    case dnnl::cpu_isa::avx512_core: return "avx512";
    case dnnl::cpu_isa::avx2_vnni: return "avx2_vnni";
    case dnnl::cpu_isa::avx2: return "avx2";
    case dnnl::cpu_isa::avx: return "avx";
    case dnnl::cpu_isa::sse41: return "sse4.1";
    default: return "generic";
  }
}

bool computes_bf16() {
  const auto isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
}

}  // namespace

DeviceInfo cpu_device() {
  DeviceInfo info;
  info.backend = "cpu";
  info.name = processor_name();
  const dnnl_version_t* version = dnnl_version();
  info.detail =
      fmt::format("oneDNN {}.{}.{} with {}, own kernels with {}{}", version->major, version->minor, version->patch,
                  onednn_isa(), simd_kernels().name, matrix_unit_beside(simd_kernels()) != nullptr ? " and amx" : "");
  info.threads = Threads(0).count();
  info.memory_bytes =
      static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  info.best_dtype = computes_bf16() ? Dtype::bf16 : Dtype::f32;
  return info;
}

}  // namespace thaw
