// What this machine can do at most: arithmetic in registers, matrix products through oneDNN, memory streams.
//   thaw_bench_ceilings [--json]
// Best of several tries each, on one thread and on all; a few seconds.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "microscope/ceilings.h"

namespace {

using namespace thaw;
using namespace thaw::microscope;

/// As wide as the processor's registers (this file is compiled for the machine that builds it).
#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif
using Vector = float __attribute__((vector_size(vector_bytes)));

template <class Work>
double best_seconds(int tries, const Work& work) {
  double best = 1e30;
  for (int i = 0; i < tries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

/// Multiply-adds that depend on nothing but their own chain; enough chains to hide the latency.
double fma_gflops(int threads) {
  constexpr int chains = 12;
  constexpr int rounds = 10'000'000;
  std::vector<float> sink(static_cast<std::size_t>(threads) * 64);
  const double seconds = best_seconds(3, [&] {
#pragma omp parallel num_threads(threads)
    {
      Vector sums[chains] = {};
      for (Vector& sum : sums) asm volatile("" : "+x"(sum));  // or equal chains would be computed once
      Vector a = Vector{} + 0.999F;
      Vector b = Vector{} + 1e-3F;
      for (int i = 0; i < rounds; ++i) {
        for (Vector& sum : sums) sum = sum * a + b;
        asm volatile("" : "+x"(a), "+x"(b));
      }
      for (int i = 1; i < chains; ++i) sums[0] += sums[i];
      sink[static_cast<std::size_t>(omp_get_thread_num()) * 64] = sums[0][0];
    }
  });
  constexpr int lanes = vector_bytes / 4;
  return 2.0 * chains * lanes * rounds * threads / seconds / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc > 1 && std::string(argv[1]) == "--json";
  const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  nlohmann::json report = {{"isa", host_isa_name()}, {"threads", all}};
  for (const int threads : {1, all}) {
    const std::string end = threads == 1 ? "_1" : "_all";
    report["fma_f32_gflops" + end] = fma_gflops(threads);
    report["matmul_f32_gflops" + end] = host_product_gflops(Dtype::f32, threads);
    report["matmul_bf16_gflops" + end] = host_product_gflops(Dtype::bf16, threads);
    report["triad_768mib_gbs" + end] = host_triad_gbs(768, threads);
    report["triad_48mib_gbs" + end] = host_triad_gbs(48, threads);
  }
  if (json) {
    std::printf("%s\n", report.dump().c_str());
    return 0;
  }
  for (const auto& [name, value] : report.items()) std::printf("%-24s %s\n", name.c_str(), value.dump().c_str());
  return 0;
}
