#pragma once

#include "kernels/cpu/simd/lines.h"

THAW_SIMD_BEGIN

// Batch normalisation with its activation and residual in one sweep: y = act((x-mean) scale + beta + residual) with
// scale = gamma / sqrt(variance+epsilon). Bytes moved, in tensors: forward 3 (2 reads, 1 write) in training and 2 in
// inference, backward 5 in training and 3 in inference; one more each for a residual.

/// Shifted sums of one chunk: sums of x-shift and of (x-mean)^2 around the chunk's own mean, where shift is the chunk's
/// first row, so that a large mean costs no digits.
template <class T>
void norm_chunk_statistics(const T* x, std::int64_t row, std::int64_t end, int c, const Block& block, float* sums,
                           float* squares) {
  Line shift;
  Line sum = {};
  Line square = {};
  fill_pairs<T>(block, x + row * c, shift.at);
  for_line_pairs(row, end, c, block, [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
    const FullPair from = load_pair(x + offset, n);
    const FullPair inside = ones_of_pair<T>(n);
    unrolled<2>([&](auto h) THAW_LAMBDA_INLINE {
      const std::int64_t place = at + h.value * vector_floats;
      auto d = from.half[h.value] - load_vector<vector_floats>(shift.at + place);
      if (n != pair_floats) d *= inside.half[h.value];
      add_vector(sum.at + place, d);
      add_vector(square.at + place, d * d);
    });
  });
  double s[line_floats];
  double q[line_floats];
  add_pairs<T>(block, sum.at, s);
  add_pairs<T>(block, square.at, q);
  const auto rows = static_cast<double>(end - row);
  for (int i = 0; i < block.width; ++i) {
    sums[block.first + i] = static_cast<float>(s[i]);
    squares[block.first + i] = static_cast<float>(most(q[i] - s[i] * s[i] / rows, 0.0));
  }
}

/// Combines the chunks of one block of channels (Chan, Golub & LeVeque 1983) in their order, in double.
template <class T>
void norm_combine(const T* x, std::int64_t rows, int c, const Block& block, const float* sums, const float* squares,
                  const NormForward& args) {
  alignas(64) double mean[line_floats] = {};
  alignas(64) double m2[line_floats] = {};
  const std::int64_t step = rows_per_chunk(c);
  for (std::int64_t chunk = 0; chunk * step < rows; ++chunk) {
    const std::int64_t row = chunk * step;
    const auto n = static_cast<double>(least(step, rows - row));
    const double all = static_cast<double>(row) + n;
    const double weight = n / all;
    const double spread = static_cast<double>(row) * weight;
    const T* shift = x + row * c + block.first;
    const float* sum = sums + chunk * c + block.first;
    const float* square = squares + chunk * c + block.first;
    for (int i = 0; i < block.width; ++i) {
      const double delta = static_cast<double>(load(shift + i)) + static_cast<double>(sum[i]) / n - mean[i];
      mean[i] += delta * weight;
      m2[i] += static_cast<double>(square[i]) + delta * delta * spread;
    }
  }
  for (int i = 0; i < block.width; ++i) {
    const int channel = block.first + i;
    const double variance = m2[i] / static_cast<double>(rows);
    as<float>(args.mean)[channel] = static_cast<float>(mean[i]);
    as<float>(args.variance)[channel] = static_cast<float>(variance);
    const auto move = [&](void* running, double batch) {
      if (running == nullptr) return;
      float& value = as<float>(running)[channel];
      value = static_cast<float>(static_cast<double>(value) * args.momentum + batch * (1.0 - args.momentum));
    };
    move(args.running_mean, mean[i]);
    move(args.running_variance, variance);
  }
}

template <class T>
void norm_statistics(const NormProblem& problem, const NormForward& args, void* scratch) {
  const T* x = as<T>(args.x);
  const int c = problem.c;
  const std::int64_t rows = problem.rows;
  const std::int64_t step = rows_per_chunk(c);
  const std::int64_t chunks = row_chunks(rows, c);
  auto* sums = as<float>(scratch);
  float* squares = sums + chunks * c;
  for_chunks(chunks, Direction::forwards, [&](std::int64_t chunk) {
    const std::int64_t row = chunk * step;
    for (int b = 0; b < blocks_of(c); ++b) {
      norm_chunk_statistics(x, row, least(row + step, rows), c, block_of(c, b * line_floats), sums + chunk * c,
                            squares + chunk * c);
    }
  });
#pragma omp parallel for schedule(static) if (chunks > 1 && c > line_floats)
  for (int b = 0; b < blocks_of(c); ++b) {
    norm_combine(x, rows, c, block_of(c, b * line_floats), sums, squares, args);
  }
}

/// Per-channel values of a block as lines, in the order of pairs of T.
template <class T>
struct NormLines {
  Line mean;
  Line scale;
  Line beta;

  NormLines(const Block& block, const void* gamma, const void* beta_values, const void* means, const void* variances,
            double epsilon) {
    float scales[line_floats];
    for (int i = 0; i < block.width; ++i) {
      const double variance = static_cast<double>(as<float>(variances)[block.first + i]);
      const double g = static_cast<double>(as<float>(gamma)[block.first + i]);
      scales[i] = static_cast<float>(g / __builtin_sqrt(variance + epsilon));
    }
    fill_pairs<T>(block, as<float>(means), mean.at);
    fill_pairs<T>(block, scales - block.first, scale.at);
    fill_pairs<T>(block, as<float>(beta_values), beta.at);
  }
};

template <class T, class A, bool Residual>
void norm_apply(const NormProblem& problem, const NormForward& args) {
  const int c = problem.c;
  const std::int64_t step = rows_per_chunk(c);
  for (int b = 0; b < blocks_of(c); ++b) {
    const Block block = block_of(c, b * line_floats);
    const NormLines<T> p(block, args.gamma, args.beta, args.mean, args.variance, problem.epsilon);
    for_chunks(row_chunks(problem.rows, c), Direction::backwards, [&](std::int64_t chunk) {
      const std::int64_t row = chunk * step;
      const std::int64_t end = least(row + step, problem.rows);
      for_line_pairs(row, end, c, block, [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
        const FullPair x = load_pair(as<T>(args.x) + offset, n);
        FullPair residual;
        if constexpr (Residual) residual = load_pair(as<T>(args.residual) + offset, n);
        const FullPair y = each_half([&](auto h) THAW_LAMBDA_INLINE {
          const std::int64_t place = at + h.value * vector_floats;
          const auto centred = x.half[h.value] - load_vector<vector_floats>(p.mean.at + place);
          auto z =
              centred * load_vector<vector_floats>(p.scale.at + place) + load_vector<vector_floats>(p.beta.at + place);
          if constexpr (Residual) z += residual.half[h.value];
          return A::value(z);
        });
        store_pair(as<T>(args.y) + offset, y, n);
      });
    });
  }
}

void norm_forward(const NormProblem& problem, const NormForward& args, void* scratch) {
  with_activation_type(problem.dtype, [&](auto* null) {
    using T = typename Pointee<decltype(null)>::type;
    if (problem.training) norm_statistics<T>(problem, args, scratch);
    pointwise::with_activation(problem.act, [&](auto act) {
      if (problem.residual) {
        norm_apply<T, decltype(act), true>(problem, args);
      } else {
        norm_apply<T, decltype(act), false>(problem, args);
      }
    });
  });
}

THAW_SIMD_END
