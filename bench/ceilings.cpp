// What this machine can do at most: arithmetic in registers, matrix products through oneDNN, memory streams.
//   thaw_bench_ceilings [--json]
// Best of several tries each, on one thread and on all; a few seconds.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

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

/// C = A B of `side` squared, A and C plain, B as oneDNN likes it. 0 where the processor lacks the type.
double matmul_gflops(dnnl::memory::data_type type, int threads) {
  using dnnl::memory;
  constexpr memory::dim side = 2048;
  omp_set_num_threads(threads);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::dims dims = {side, side};
  const memory::desc plain(dims, type, memory::format_tag::ab);
  try {
    const dnnl::matmul::primitive_desc plan({plain, {dims, type, memory::format_tag::any}, plain}, engine);
    memory a(plain, engine);
    memory b(plan.weights_desc(), engine);
    memory c(plain, engine);
    for (const memory& m : {a, b, c}) std::fill_n(static_cast<char*>(m.get_data_handle()), m.get_desc().get_size(), 0);
    const dnnl::matmul product(plan);
    const double seconds = best_seconds(6, [&] {
      product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
      stream.wait();
    });
    return 2.0 * side * side * side / seconds / 1e9;
  } catch (const dnnl::error&) {
    return 0;
  }
}

/// STREAM's triad over three arrays of `mib` in all; bytes as STREAM counts them (no write-allocate).
double triad_gbs(int mib, int threads) {
  const std::size_t count = (static_cast<std::size_t>(mib) << 20) / 3 / sizeof(float);
  std::vector<float> a(count, 1.0F);
  std::vector<float> b(count, 2.0F);
  std::vector<float> c(count, 3.0F);
  float* pa = a.data();
  const float* pb = b.data();
  const float* pc = c.data();
  const double seconds = best_seconds(mib > 100 ? 5 : 60, [&] {
#pragma omp parallel for simd schedule(static) num_threads(threads)
    for (std::size_t i = 0; i < count; ++i) pa[i] = pb[i] + 0.5F * pc[i];
  });
  return 3.0 * static_cast<double>(count) * sizeof(float) / seconds / 1e9;
}

std::string isa_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx: return "AVX-512 with AMX";
    case dnnl::cpu_isa::avx512_core_bf16: return "AVX-512 with bf16, no AMX";
    case dnnl::cpu_isa::avx512_core_vnni: return "AVX-512 with VNNI, no bf16";
    case dnnl::cpu_isa::avx512_core: return "AVX-512, no bf16";
    case dnnl::cpu_isa::avx2: return "AVX2";
    default: return "another instruction set";
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc > 1 && std::string(argv[1]) == "--json";
  const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  nlohmann::json report = {{"isa", isa_name()}, {"threads", all}};
  for (const int threads : {1, all}) {
    const std::string end = threads == 1 ? "_1" : "_all";
    report["fma_f32_gflops" + end] = fma_gflops(threads);
    report["matmul_f32_gflops" + end] = matmul_gflops(dnnl::memory::data_type::f32, threads);
    report["matmul_bf16_gflops" + end] = matmul_gflops(dnnl::memory::data_type::bf16, threads);
    report["triad_768mib_gbs" + end] = triad_gbs(768, threads);
    report["triad_48mib_gbs" + end] = triad_gbs(48, threads);
  }
  if (json) {
    std::printf("%s\n", report.dump().c_str());
    return 0;
  }
  for (const auto& [name, value] : report.items()) std::printf("%-24s %s\n", name.c_str(), value.dump().c_str());
  return 0;
}
