#pragma once

#include <cstdint>
#include <vector>

#include "kernels/dtype.h"

namespace thaw::reference {

/// An array of the backend read as doubles, whatever its storage: every loop of the oracle is written once, in double.
/// A null array stays null.
class Input {
 public:
  /// `count` elements at `data`. f64 is read in place, other types are converted into a copy.
  Input(Dtype dtype, const void* data, std::int64_t count);

  [[nodiscard]] const double* data() const { return data_; }
  [[nodiscard]] double operator[](std::int64_t i) const { return data_[i]; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  std::vector<double> owned_;
  const double* data_ = nullptr;
};

/// An array of the backend written as doubles; `store` rounds them to the storage type. A null array is not wanted.
class Output {
 public:
  /// f64 is written in place. Throws `Error` (device) for u8 and i32: they are no result of any call.
  Output(Dtype dtype, void* data, std::int64_t count);

  [[nodiscard]] double* data() { return work_; }
  [[nodiscard]] double& operator[](std::int64_t i) { return work_[i]; }
  explicit operator bool() const { return work_ != nullptr; }
  void store();

 private:
  Dtype dtype_;
  void* target_;
  std::vector<double> owned_;
  double* work_ = nullptr;
};

/// Filter or window taps [begin, end) of one axis that fall inside the image; tap t reads pixel origin + t.
struct Taps {
  int origin = 0;
  int begin = 0;
  int end = 0;
};

/// The taps of output position `out`: origin = out * stride - pad.
Taps taps_inside(int out, int stride, int pad, int kernel, int size);

/// sums[c] = sum over rows of x (rows,C), added row by row.
void column_sums(std::int64_t rows, std::int64_t c, const double* x, double* sums);

/// The dot product of two contiguous runs.
inline double dot(const double* a, const double* b, std::int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

/// y += scale * x over a contiguous run.
inline void axpy(double scale, const double* x, double* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] += scale * x[i];
}

}  // namespace thaw::reference
