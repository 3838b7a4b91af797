#include "microscope/ceilings.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "kernels/error.h"

namespace thaw::microscope {

namespace {

/// While it lives, OpenMP teams made by this thread have so many threads.
class TeamSize {
 public:
  explicit TeamSize(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~TeamSize() { omp_set_num_threads(before_); }
  TeamSize(const TeamSize&) = delete;
  TeamSize& operator=(const TeamSize&) = delete;

 private:
  int before_;
};

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

template <class Work>
double best_device_seconds(Backend& backend, int tries, const Work& work) {
  const auto watch = backend.stopwatch();
  double best = 1e30;
  for (int i = 0; i < tries; ++i) {
    watch->start();
    work();
    best = std::min(best, watch->stop());
  }
  return best;
}

/// Memory of a device, zeroed.
std::shared_ptr<void> zeroed(Backend& backend, std::size_t bytes) {
  std::shared_ptr<void> block(backend.allocate(bytes), [&backend](void* at) { backend.release(at); });
  backend.zero(block.get(), bytes);
  return block;
}

double device_product_gflops(Backend& backend, Dtype dtype) {
  constexpr int side = 4096;
  const DenseProblem problem{.n = side, .c = side, .k = side, .bias = false, .dtype = dtype};
  const std::size_t elements = std::size_t{side} * side;
  const auto x = zeroed(backend, elements * size_of(dtype));
  const auto w = zeroed(backend, elements * size_of(master_dtype(dtype)));
  const auto y = zeroed(backend, elements * size_of(dtype));
  const double seconds =
      best_device_seconds(backend, 10, [&] { backend.dense_forward(problem, x.get(), w.get(), nullptr, y.get()); });
  return problem.flops() / seconds / 1e9;
}

double device_copy_gbs(Backend& backend) {
  constexpr std::size_t bytes = std::size_t{512} << 20;
  const auto from = zeroed(backend, bytes);
  const auto to = zeroed(backend, bytes);
  const double seconds = best_device_seconds(backend, 10, [&] { backend.copy(to.get(), from.get(), bytes); });
  return 2.0 * static_cast<double>(bytes) / seconds / 1e9;
}

}  // namespace

double host_product_gflops(Dtype dtype, int threads, int side) {
  using dnnl::memory;
  if (dtype != Dtype::f32 && dtype != Dtype::bf16) return 0;
  const auto type = dtype == Dtype::f32 ? memory::data_type::f32 : memory::data_type::bf16;
  const TeamSize team(threads);
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

double host_triad_gbs(int mib, int threads) {
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

std::string host_isa_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx: return "AVX-512 with AMX";
    case dnnl::cpu_isa::avx512_core_bf16: return "AVX-512 with bf16, no AMX";
    case dnnl::cpu_isa::avx512_core_vnni: return "AVX-512 with VNNI, no bf16";
    case dnnl::cpu_isa::avx512_core: return "AVX-512, no bf16";
    case dnnl::cpu_isa::avx2: return "AVX2";
    default: return "another instruction set";
  }
}

Ceilings measure_ceilings(Backend& backend, Dtype dtype, int threads) {
  if (backend.host_view(zeroed(backend, 64).get()) == nullptr) {
    return {.gflops = device_product_gflops(backend, dtype),
            .gbs = device_copy_gbs(backend),
            .gflops_how = fmt::format("dense layer of 4096 squared, {}", name_of(dtype)),
            .gbs_how = "copy of 512 MiB within the device"};
  }
  Ceilings out{.gflops_how = "oneDNN's product of 2048 squared, f32", .gbs_how = "STREAM's triad over 768 MiB"};
  if (dtype == Dtype::f64) {
    out.gflops_how = "not measured for f64";
  } else {
    out.gflops = host_product_gflops(Dtype::f32, threads);
    const double narrow = dtype == Dtype::bf16 ? host_product_gflops(Dtype::bf16, threads) : 0;
    if (narrow > out.gflops) {
      out.gflops = narrow;
      out.gflops_how = "oneDNN's product of 2048 squared, bf16";
    }
  }
  out.gbs = host_triad_gbs(768, threads);
  return out;
}

Ceilings best_of(const Ceilings& a, const Ceilings& b) {
  Ceilings out = a;
  out.gflops = std::max(a.gflops, b.gflops);
  out.gbs = std::max(a.gbs, b.gbs);
  return out;
}

double Ceilings::least_seconds(double flops, double bytes) const {
  const double arithmetic = gflops > 0 ? flops / gflops : 0;
  const double traffic = gbs > 0 ? bytes / gbs : 0;
  return std::max(arithmetic, traffic) / 1e9;
}

bool Ceilings::bound_by_arithmetic(double flops, double bytes) const {
  return gflops > 0 && gbs > 0 && flops / gflops > bytes / gbs;
}

}  // namespace thaw::microscope
