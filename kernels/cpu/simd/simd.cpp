#include "kernels/cpu/simd/simd.h"

#include <cstdlib>

#include "kernels/cpu/simd/plan.h"
#include "kernels/error.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace thaw {

namespace simd {
namespace baseline {
extern const SimdKernels kernels;
}
namespace avx2 {
extern const SimdKernels kernels;
}
namespace avx512 {
extern const SimdKernels kernels;
}
namespace avx512_bf16 {
extern const SimdKernels kernels;
}
}  // namespace simd

namespace {

/// Places of two floats per chunk and channel, and two doubles per channel.
std::size_t chunked_bytes(std::int64_t chunks, std::int64_t values) {
  return static_cast<std::size_t>(values * (2 * 8 + chunks * 2 * 4));
}

}  // namespace

std::size_t norm_scratch_bytes(std::int64_t rows, int c) { return chunked_bytes(simd::row_chunks(rows, c), c); }

std::size_t sum_rows_scratch_bytes(std::int64_t rows, int c) { return chunked_bytes(simd::row_chunks(rows, c), c); }

std::size_t sum_squares_scratch_bytes(std::int64_t count) {
  return sizeof(double) * static_cast<std::size_t>(simd::ceil_div(count, simd::chunk_elements));
}

std::size_t depthwise_filter_scratch_bytes(const ConvProblem& problem) {
  const std::int64_t filter = std::int64_t{problem.r} * problem.s * problem.c;
  const auto partials = sizeof(float) * static_cast<std::size_t>(simd::filter_chunks(problem) * filter);
  const std::size_t bias = sum_rows_scratch_bytes(std::int64_t{problem.n} * problem.p() * problem.q(), problem.c);
  return simd::most(partials, bias);
}

const SimdKernels& choose_simd_kernels(std::string_view wanted) {
  if (!wanted.empty()) {
    const SimdKernels* kernels = simd_kernels(wanted);
    if (kernels == nullptr) {
      fail(ErrorKind::device,
           "THAW_SIMD: expected baseline, avx2, avx512 or avx512_bf16 (as far as this processor has them), found '{}'; "
           "unset it to "
           "let thaw choose",
           wanted);
    }
    return *kernels;
  }
  for (const std::string_view isa : {"avx512_bf16", "avx512", "avx2"}) {
    if (const SimdKernels* kernels = simd_kernels(isa); kernels != nullptr) return *kernels;
  }
  return simd::baseline::kernels;
}

const SimdKernels& simd_kernels() {
  const char* wanted = std::getenv("THAW_SIMD");
  static const SimdKernels& chosen = choose_simd_kernels(wanted != nullptr ? wanted : "");
  return chosen;
}

const SimdKernels* simd_kernels(std::string_view isa) {
  if (isa == "baseline") return &simd::baseline::kernels;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (isa == "avx2" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &simd::avx2::kernels;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (isa == "avx512" && avx512) return &simd::avx512::kernels;
  if (isa == "avx512_bf16" && avx512 && __builtin_cpu_supports("avx512bf16")) return &simd::avx512_bf16::kernels;
#endif
  return nullptr;
}

void set_flush_to_zero() {
#if defined(__x86_64__)
  constexpr unsigned flush_to_zero = 1U << 15;
  constexpr unsigned denormals_are_zero = 1U << 6;
  _mm_setcsr(_mm_getcsr() | flush_to_zero | denormals_are_zero);
#elif defined(__aarch64__)
  std::uint64_t control = 0;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  control |= std::uint64_t{1} << 24;
  asm volatile("msr fpcr, %0" : : "r"(control));
#endif
}

}  // namespace thaw
