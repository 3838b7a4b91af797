#include "weights/spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/error.h"

namespace thaw {
namespace {

std::size_t expected_rank(TensorKind kind) {
  switch (kind) {
    case TensorKind::conv_kernel:
    case TensorKind::depthwise_kernel: return 4;
    case TensorKind::dense_kernel: return 2;
    case TensorKind::vector: return 1;
  }
  return 0;
}

void check_kind(const TensorSpec& spec) {
  const bool right_rank = spec.keras_shape.size() == expected_rank(spec.kind);
  const bool right_multiplier = spec.kind != TensorKind::depthwise_kernel || !right_rank || spec.keras_shape[3] == 1;
  if (right_rank && right_multiplier) return;
  fail(ErrorKind::data, "[weights] '{}' is described with shape {}, which its kind cannot have: {}", spec.name,
       shape_text(spec.keras_shape),
       spec.kind == TensorKind::depthwise_kernel ? "a depthwise kernel is (H,W,C,1)"
                                                 : fmt::format("expected rank {}", expected_rank(spec.kind)));
}

/// A kernel is a matrix (rows, columns) to its layout: Keras keeps the outputs last, thaw first.
struct MatrixView {
  std::size_t rows;     // H*W*I, or the inputs of a dense layer
  std::size_t columns;  // O
};

MatrixView matrix_of(const TensorSpec& spec) {
  const auto columns = static_cast<std::size_t>(spec.keras_shape.back());
  const auto total = static_cast<std::size_t>(element_count(spec.keras_shape));
  return {columns == 0 ? 0 : total / columns, columns};
}

void check_count(const TensorSpec& spec, std::size_t found) {
  const auto expected = static_cast<std::size_t>(element_count(spec.keras_shape));
  if (found != expected) {
    fail(ErrorKind::data, "[weights] '{}' of shape {} needs {} values, {} were given", spec.name,
         shape_text(spec.keras_shape), expected, found);
  }
}

std::vector<float> transposed(std::span<const float> values, std::size_t rows, std::size_t columns) {
  std::vector<float> result(values.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) result[c * rows + r] = values[r * columns + c];
  }
  return result;
}

bool is_matrix_like(TensorKind kind) { return kind == TensorKind::conv_kernel || kind == TensorKind::dense_kernel; }

}  // namespace

std::int64_t element_count(std::span<const std::int64_t> shape) {
  constexpr std::int64_t limit = std::int64_t{1} << 62;
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || (extent > 0 && count > limit / extent)) {
      fail(ErrorKind::data, "[weights] the shape {} is impossible", shape_text(shape));
    }
    count *= extent;
  }
  return count;
}

std::string shape_text(std::span<const std::int64_t> shape) { return fmt::format("({})", fmt::join(shape, ",")); }

std::vector<std::int64_t> native_shape(const TensorSpec& spec) {
  check_kind(spec);
  const auto& k = spec.keras_shape;
  switch (spec.kind) {
    case TensorKind::conv_kernel: return {k[3], k[0], k[1], k[2]};
    case TensorKind::depthwise_kernel: return {k[0], k[1], k[2]};
    case TensorKind::dense_kernel: return {k[1], k[0]};
    case TensorKind::vector: break;
  }
  return k;
}

std::vector<float> to_native(const TensorSpec& spec, std::span<const float> keras_values) {
  check_kind(spec);
  check_count(spec, keras_values.size());
  if (!is_matrix_like(spec.kind)) return {keras_values.begin(), keras_values.end()};
  const MatrixView matrix = matrix_of(spec);
  return transposed(keras_values, matrix.rows, matrix.columns);
}

std::vector<float> to_keras(const TensorSpec& spec, std::span<const float> native_values) {
  check_kind(spec);
  check_count(spec, native_values.size());
  if (!is_matrix_like(spec.kind)) return {native_values.begin(), native_values.end()};
  const MatrixView matrix = matrix_of(spec);
  return transposed(native_values, matrix.columns, matrix.rows);
}

}  // namespace thaw
