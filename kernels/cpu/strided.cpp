#include "kernels/cpu/strided.h"

#include <cstring>

namespace thaw {

namespace {

/// Bytes of one pixel, of an input line and of a compact line.
struct Sizes {
  std::size_t pixel, line, compact_line;
};

Sizes sizes_of(const ConvProblem& p) {
  const std::size_t pixel = static_cast<std::size_t>(p.c) * size_of(p.dtype);
  return {pixel, pixel * static_cast<std::size_t>(p.w), pixel * static_cast<std::size_t>(p.q())};
}

}  // namespace

bool is_strided_rows(const ConvProblem& p) {
  return p.r == 1 && p.s == 1 && p.stride > 1 && !p.pad.any() && p.groups == 1;
}

ConvProblem without_stride(const ConvProblem& problem) {
  ConvProblem dense = problem;
  dense.h = problem.p();
  dense.w = problem.q();
  dense.stride = 1;
  return dense;
}

void gather_pixels(const ConvProblem& problem, const std::byte* x, std::byte* compact) {
  const Sizes size = sizes_of(problem);
  const int height = problem.p();
  const std::size_t step = size.pixel * static_cast<std::size_t>(problem.stride);
#pragma omp parallel for schedule(static)
  for (int row = 0; row < problem.n * height; ++row) {
    const int n = row / height;
    const int h = row % height * problem.stride;
    const std::byte* from = x + size.line * (static_cast<std::size_t>(n) * static_cast<std::size_t>(problem.h) +
                                             static_cast<std::size_t>(h));
    std::byte* to = compact + size.compact_line * static_cast<std::size_t>(row);
    for (int q = 0; q < problem.q(); ++q, from += step, to += size.pixel) std::memcpy(to, from, size.pixel);
  }
}

void scatter_pixels(const ConvProblem& problem, const std::byte* compact, std::byte* dx) {
  const Sizes size = sizes_of(problem);
#pragma omp parallel for schedule(static)
  for (int row = 0; row < problem.n * problem.h; ++row) {
    const int n = row / problem.h;
    const int h = row % problem.h;
    std::byte* const to = dx + size.line * static_cast<std::size_t>(row);
    if (h % problem.stride != 0 || h / problem.stride >= problem.p()) {
      std::memset(to, 0, size.line);
      continue;
    }
    const std::byte* from =
        compact + size.compact_line * static_cast<std::size_t>(n * problem.p() + h / problem.stride);
    for (int w = 0; w < problem.w; ++w) {
      std::byte* const here = to + size.pixel * static_cast<std::size_t>(w);
      if (w % problem.stride != 0 || w / problem.stride >= problem.q()) {
        std::memset(here, 0, size.pixel);
      } else {
        std::memcpy(here, from + size.pixel * static_cast<std::size_t>(w / problem.stride), size.pixel);
      }
    }
  }
}

}  // namespace thaw
