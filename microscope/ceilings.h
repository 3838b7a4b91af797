#pragma once

#include <string>

#include "kernels/backend.h"

namespace thaw::microscope {

/// What a device does at most, as measured: the roofs that rows are judged by.
struct Ceilings {
  double gflops = 0;  ///< of a large matrix product; 0: not known
  double gbs = 0;     ///< of a stream beyond every cache; bytes as STREAM counts them
  std::string gflops_how = {}, gbs_how = {};

  /// The least seconds for this much arithmetic and traffic, and whether arithmetic is what takes them.
  [[nodiscard]] double least_seconds(double flops, double bytes) const;
  [[nodiscard]] bool bound_by_arithmetic(double flops, double bytes) const;
};

/// Processor: the faster of oneDNN's products in the type and in f32 (bf16 kernels may widen), and STREAM's triad.
/// Other devices: a dense layer of 4096 squared and a copy within the device. A second or two.
Ceilings measure_ceilings(Backend& backend, Dtype dtype, int threads);

/// The better of two measurements in each respect.
Ceilings best_of(const Ceilings& a, const Ceilings& b);

// The parts, for processors.

/// C = A B of `side` squared through oneDNN, A and C plain, B as oneDNN likes it. 0 where the processor lacks the type.
double host_product_gflops(Dtype dtype, int threads, int side = 2048);
/// STREAM's triad over three arrays of `mib` in all (no write-allocate counted).
double host_triad_gbs(int mib, int threads);
/// The instruction set that oneDNN uses.
std::string host_isa_name();

}  // namespace thaw::microscope
