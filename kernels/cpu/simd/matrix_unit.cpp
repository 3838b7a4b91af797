#include "kernels/cpu/simd/matrix_unit.h"

#include "kernels/cpu/simd/simd.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace thaw {

#if defined(__x86_64__) && defined(__linux__)

namespace simd::amx {
extern const MatrixUnit unit;
}

namespace {

/// Whether the processor has tiles and their bf16 product, and the system saves tiles for this process (Linux hands
/// their state out on request, once for all threads).
bool has_matrix_unit() {
  constexpr unsigned bf16_product = 1U << 22;
  constexpr unsigned tiles = 1U << 24;
  constexpr int request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int tile_data = 18;               // XFEATURE_XTILEDATA
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & bf16_product) == 0 || (edx & tiles) == 0) return false;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

}  // namespace

const MatrixUnit* matrix_unit() {
  static const bool present = has_matrix_unit() && simd_kernels("avx512_bf16") != nullptr;
  return present ? &simd::amx::unit : nullptr;
}

#else

const MatrixUnit* matrix_unit() { return nullptr; }

#endif

}  // namespace thaw
