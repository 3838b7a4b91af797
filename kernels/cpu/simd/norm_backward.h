#pragma once

#include "kernels/cpu/simd/norm.h"

THAW_SIMD_BEGIN

// With dz = dy act'(z): dbeta = sum dz, dgamma = sum dz xhat and, in training (Ioffe & Szegedy 2015, section 3),
// dx = scale (dz - mean(dz) - xhat mean(dz xhat)); in inference dx = scale dz. z is computed again from x; behind a
// residual it is not known and act' is taken from y.

/// Activations whose derivative at x is that at their own value.
template <class A>
constexpr bool decides_from_value = false;
template <>
constexpr bool decides_from_value<pointwise::Activation<Act::relu>> = true;
template <>
constexpr bool decides_from_value<pointwise::Activation<Act::relu6>> = true;

/// What dx needs besides dz, as lines: dx = scale dz - offset - (x-mean) slope.
template <class T>
struct NormGradientLines : NormLines<T> {
  Line offset = {};
  Line slope = {};

  NormGradientLines(const NormProblem& problem, const NormBackward& args, const Block& block)
      : NormLines<T>(block, args.gamma, args.beta, args.mean, args.variance, problem.epsilon) {}

  /// `dz` (C): sum of dz; `dzx` (C): sum of dz (x-mean).
  void set_sums(const NormProblem& problem, const NormBackward& args, const Block& block, const double* dz,
                const double* dzx) {
    float offsets[line_floats];
    float slopes[line_floats];
    for (int i = 0; i < block.width; ++i) {
      const int channel = block.first + i;
      const double variance = static_cast<double>(as<float>(args.variance)[channel]) + problem.epsilon;
      const double gamma = static_cast<double>(as<float>(args.gamma)[channel]);
      // With the rounded scale that multiplies dz, so that what cancels cancels (all of it where there is one row).
      const auto rounded = static_cast<float>(gamma / __builtin_sqrt(variance));
      const double s = static_cast<double>(rounded) / static_cast<double>(problem.rows);
      offsets[i] = static_cast<float>(s * dz[channel]);
      slopes[i] = static_cast<float>(s * dzx[channel] / variance);
    }
    fill_pairs<T>(block, offsets - block.first, offset.at);
    fill_pairs<T>(block, slopes - block.first, slope.at);
  }
};

/// The places of one chunk's sums over dz and dz (x-mean), both (C); null where sums are not wanted.
struct NormSums {
  float* dz = nullptr;
  float* dzx = nullptr;
};

/// One sweep over rows [row, end) of a block. With Sums: of dz and dz (x-mean). With Dx: dx; dresidual where not null.
template <class T, class A, bool FromY, bool Sums, bool Dx>
void norm_backward_chunk(const NormBackward& args, const NormGradientLines<T>& p, const Block& block, int c,
                         std::int64_t row, std::int64_t end, void* dresidual, NormSums sums) {
  Line sum = {};
  Line sum_x = {};
  for_line_pairs(row, end, c, block, [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
    const FullPair x = load_pair(as<T>(args.x) + offset, n);
    const FullPair dy = load_pair(as<T>(args.dy) + offset, n);
    FullPair y;
    FullPair dz;
    FullPair dx;
    if constexpr (FromY) y = load_pair(as<T>(args.y) + offset, n);
    unrolled<2>([&](auto h) THAW_LAMBDA_INLINE {
      const std::int64_t place = at + h.value * vector_floats;
      const auto scale = load_vector<vector_floats>(p.scale.at + place);
      const auto centred = x.half[h.value] - load_vector<vector_floats>(p.mean.at + place);
      auto z = centred * scale + load_vector<vector_floats>(p.beta.at + place);
      if constexpr (FromY) z = y.half[h.value];
      const auto d = dy.half[h.value] * A::derivative(z);  // zero behind the end of a line, where dy is
      dz.half[h.value] = d;
      if constexpr (Sums) {
        add_vector(sum.at + place, d);
        add_vector(sum_x.at + place, d * centred);
      }
      if constexpr (Dx) {
        dx.half[h.value] = scale * d - load_vector<vector_floats>(p.offset.at + place) -
                           centred * load_vector<vector_floats>(p.slope.at + place);
      }
    });
    if constexpr (Dx) store_pair(as<T>(args.dx) + offset, dx, n);
    if (dresidual != nullptr) store_pair(as<T>(dresidual) + offset, dz, n);
  });
  if constexpr (Sums) {
    double total[line_floats];
    double total_x[line_floats];
    add_pairs<T>(block, sum.at, total);
    add_pairs<T>(block, sum_x.at, total_x);
    for (int i = 0; i < block.width; ++i) sums.dz[block.first + i] = static_cast<float>(total[i]);
    for (int i = 0; i < block.width; ++i) sums.dzx[block.first + i] = static_cast<float>(total_x[i]);
  }
}

/// The scratch of a backward call: the totals (C) in double, then every chunk's sums.
struct NormScratch {
  double* total;
  double* total_x;
  float* dz;
  float* dzx;

  NormScratch(void* scratch, std::int64_t chunks, int c)
      : total(as<double>(scratch)), total_x(total + c), dz(as<float>(total_x + c)), dzx(dz + chunks * c) {}
};

template <class T, class A, bool FromY, bool Sums, bool Dx>
void norm_backward_sweep(const NormProblem& problem, const NormBackward& args, void* dresidual,
                         const NormScratch& scratch) {
  const int c = problem.c;
  const std::int64_t step = rows_per_chunk(c);
  const std::int64_t chunks = row_chunks(problem.rows, c);
  for (int b = 0; b < blocks_of(c); ++b) {
    const Block block = block_of(c, b * line_floats);
    NormGradientLines<T> lines(problem, args, block);
    if (problem.training && Dx) lines.set_sums(problem, args, block, scratch.total, scratch.total_x);
    for_chunks(chunks, Dx ? Direction::backwards : Direction::forwards, [&](std::int64_t chunk) {
      norm_backward_chunk<T, A, FromY, Sums, Dx>(args, lines, block, c, chunk * step,
                                                 least(chunk * step + step, problem.rows), dresidual,
                                                 {scratch.dz + chunk * c, scratch.dzx + chunk * c});
    });
  }
}

/// Adds the chunks' sums up in their order; writes dgamma, dbeta and the totals.
void norm_backward_combine(const NormProblem& problem, const NormBackward& args, std::int64_t chunks,
                           const NormScratch& scratch) {
  const int c = problem.c;
  for (int i = 0; i < c; ++i) scratch.total[i] = scratch.total_x[i] = 0;
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (int i = 0; i < c; ++i) {
      scratch.total[i] += static_cast<double>(scratch.dz[chunk * c + i]);
      scratch.total_x[i] += static_cast<double>(scratch.dzx[chunk * c + i]);
    }
  }
  for (int i = 0; i < c; ++i) {
    const double deviation = __builtin_sqrt(static_cast<double>(as<float>(args.variance)[i]) + problem.epsilon);
    if (args.dbeta != nullptr) as<float>(args.dbeta)[i] = static_cast<float>(scratch.total[i]);
    if (args.dgamma != nullptr) as<float>(args.dgamma)[i] = static_cast<float>(scratch.total_x[i] / deviation);
  }
}

/// In training dx waits for the sums; in inference one sweep does everything.
template <class T, class A, bool FromY>
void norm_backward_typed(const NormProblem& problem, const NormBackward& args, void* block) {
  const std::int64_t chunks = row_chunks(problem.rows, problem.c);
  const NormScratch scratch(block, chunks, problem.c);
  const bool wanted = args.dgamma != nullptr || args.dbeta != nullptr;
  if (problem.training || args.dx == nullptr) {
    norm_backward_sweep<T, A, FromY, true, false>(problem, args, args.dresidual, scratch);
  } else if (wanted) {
    norm_backward_sweep<T, A, FromY, true, true>(problem, args, args.dresidual, scratch);
  } else {
    norm_backward_sweep<T, A, FromY, false, true>(problem, args, args.dresidual, scratch);
    return;
  }
  norm_backward_combine(problem, args, chunks, scratch);
  if (problem.training && args.dx != nullptr) {
    norm_backward_sweep<T, A, FromY, false, true>(problem, args, nullptr, scratch);
  }
}

void norm_backward(const NormProblem& problem, const NormBackward& args, void* scratch) {
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    pointwise::with_activation(problem.act, [&](auto act) {
      using A = decltype(act);
      if (!problem.residual || problem.act == Act::linear) {
        norm_backward_typed<T, A, false>(problem, args, scratch);
      } else if constexpr (decides_from_value<A>) {
        norm_backward_typed<T, A, true>(problem, args, scratch);
      }
    });
  });
}

THAW_SIMD_END
