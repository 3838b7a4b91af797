#include <algorithm>

#include "kernels/error.h"
#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

/// A matrix C that is one row (or one number) for every row of the result, as a bias of `k` values.
std::optional<Array> as_bias(const Array& c, std::int64_t k) {
  const bool one_row = c.rank() < 2 || (c.rank() == 2 && c.shape[0] == 1);
  if (!one_row) return std::nullopt;
  return broadcast(c.rank() == 2 ? reshaped(c, {c.shape[1]}) : c, {k});
}

/// Y = alpha A' B' + beta C: a dense layer with a bias, where alpha and beta are 1 and C is a row; else a dense layer,
/// scaled, plus the scaled C.
Outputs gemm(const Call& call) {
  const Array a = call.node.integer("transA", 0) != 0 ? transposed(call.real(0)) : call.real(0);
  const Array w = call.node.integer("transB", 0) != 0 ? call.real(1) : transposed(call.real(1));
  const Dims shape{a.shape[0], w.shape[0]};
  const double alpha = call.node.real("alpha", 1);
  const double beta = call.node.real("beta", 1);
  const bool plus_c = call.has(2) && beta != 0;

  Context& ctx = call.ctx;
  const std::optional<Array> row = plus_c ? as_bias(call.real(2), shape[1]) : std::nullopt;
  const bool fused = row && alpha == 1 && beta == 1;
  Var y = dense(ctx, activations(ctx, a), master(ctx, w), fused ? master(ctx, *row) : Var());
  if (alpha != 1) y = scaled(ctx, y, alpha);
  if (plus_c && !fused) {
    const Var c = activations(ctx, broadcast(call.real(2), shape));
    y = add(ctx, y, beta == 1 ? c : scaled(ctx, c, beta));
  }
  return {to_host(y.value(), shape)};
}

/// Element i of the leading axes: a matrix.
Array matrix_at(const Array& a, std::int64_t i) {
  const Dims shape(a.shape.end() - 2, a.shape.end());
  const std::int64_t size = shape[0] * shape[1];
  const auto first = a.values.begin() + i * size;
  return {.element = a.element, .shape = shape, .values = {first, first + size}};
}

/// One dense layer without bias a matrix of the batch.
Outputs mat_mul(const Call& call) {
  const Array& a = call.real(0);
  const Array& b = call.real(1);
  need(a.rank() >= 2 && a.rank() == b.rank() && std::equal(a.shape.begin(), a.shape.end() - 2, b.shape.begin()),
       "a broadcast batch of matrices");
  Array out{.element = Element::f32, .shape = a.shape};
  out.shape.back() = b.shape.back();
  Context& ctx = call.ctx;
  const std::int64_t batch = a.count() / (a.shape[a.rank() - 2] * a.shape.back());
  for (std::int64_t i = 0; i < batch; ++i) {
    const Var y = dense(ctx, activations(ctx, matrix_at(a, i)), master(ctx, transposed(matrix_at(b, i))), Var());
    const std::vector<double> values = y.value().to_doubles();
    out.values.insert(out.values.end(), values.begin(), values.end());
  }
  return {out};
}

}  // namespace

Adapters dense_adapters() { return {{"Gemm", gemm}, {"MatMul", mat_mul}}; }

}  // namespace thaw::test
