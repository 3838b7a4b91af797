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
  alignas(64) float shift[line_floats];
  alignas(64) float sum[line_floats] = {};
  alignas(64) float square[line_floats] = {};
  fill_line(block, x + row * c, shift);
  for_lines(row, end, c, block, [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
    Strip buffer;
    const float* from = read_line(x + offset, n, buffer.at);
#pragma omp simd
    for (int i = 0; i < n; ++i) {
      const float d = from[i] - shift[at + i];
      sum[at + i] += d;
      square[at + i] += d * d;
    }
  });
  const auto rows = static_cast<double>(end - row);
  for (int i = 0; i < block.width; ++i) {
    double s = 0;
    double q = 0;
    for (int j = 0; j < block.repeat; ++j) {
      s += static_cast<double>(sum[j * block.width + i]);
      q += static_cast<double>(square[j * block.width + i]);
    }
    sums[block.first + i] = static_cast<float>(s);
    squares[block.first + i] = static_cast<float>(most(q - s * s / rows, 0.0));
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
#pragma omp parallel for schedule(static) if (chunks > 1)
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    const std::int64_t row = chunk * step;
    for (int b = 0; b < blocks_of(c); ++b) {
      norm_chunk_statistics(x, row, least(row + step, rows), c, block_of(c, b * line_floats), sums + chunk * c,
                            squares + chunk * c);
    }
  }
#pragma omp parallel for schedule(static) if (chunks > 1 && c > line_floats)
  for (int b = 0; b < blocks_of(c); ++b) {
    norm_combine(x, rows, c, block_of(c, b * line_floats), sums, squares, args);
  }
}

/// Per-channel values of a block as lines.
struct NormLines {
  alignas(64) float mean[line_floats];
  alignas(64) float scale[line_floats];
  alignas(64) float beta[line_floats];

  NormLines(const Block& block, const void* gamma, const void* beta_values, const void* means, const void* variances,
            double epsilon) {
    fill_line(block, as<float>(means), mean);
    fill_line(block, as<float>(beta_values), beta);
    fill_line(block, as<float>(gamma), scale);
    for (int j = 0; j < block.repeat; ++j) {
      for (int i = 0; i < block.width; ++i) {
        const double variance = static_cast<double>(as<float>(variances)[block.first + i]);
        float& s = scale[j * block.width + i];
        s = static_cast<float>(static_cast<double>(s) / __builtin_sqrt(variance + epsilon));
      }
    }
  }
};

/// One strip at place `at` of a line.
template <class A>
THAW_SIMD_INLINE void norm_strip(const NormLines& p, std::int64_t at, const float* x, const float* residual, float* y,
                                 int n) {
#pragma omp simd
  for (int i = 0; i < n; ++i) {
    float z = (x[i] - p.mean[at + i]) * p.scale[at + i] + p.beta[at + i];
    if (residual != nullptr) z += residual[i];
    y[i] = A::value(z);
  }
}

template <class T, class A, bool Residual>
void norm_apply(const NormProblem& problem, const NormForward& args) {
  const int c = problem.c;
  const std::int64_t step = rows_per_chunk(c);
  const std::int64_t chunks = row_chunks(problem.rows, c);
  for (int b = 0; b < blocks_of(c); ++b) {
    const Block block = block_of(c, b * line_floats);
    const NormLines p(block, args.gamma, args.beta, args.mean, args.variance, problem.epsilon);
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::int64_t row = chunk * step;
      const std::int64_t end = least(row + step, problem.rows);
      for_lines(row, end, c, block, [&](std::int64_t offset, std::int64_t at, int n) THAW_LAMBDA_INLINE {
        Strip in;
        Strip added;
        Strip out;
        T* to = as<T>(args.y) + offset;
        float* strip = line_for(to, out.at);
        const float* x = read_line(as<T>(args.x) + offset, n, in.at);
        const float* residual = Residual ? read_line(as<T>(args.residual) + offset, n, added.at) : nullptr;
        norm_strip<A>(p, at, x, residual, strip, n);
        write_line(to, strip, n);
      });
    }
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
