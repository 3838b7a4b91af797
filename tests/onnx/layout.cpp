#include "tests/onnx/layout.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "kernels/error.h"

namespace thaw::test {

namespace {

/// How far apart neighbours of each axis lie.
Dims strides_of(const Dims& shape) {
  Dims out(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) out[i - 1] = out[i] * shape[i];
  return out;
}

/// The array of `shape` whose element lies at the sum of index * `strides` in `from`.
Array gathered(const Array& from, const Dims& shape, const Dims& strides) {
  Array out{.element = from.element, .shape = shape};
  const std::int64_t count = out.count();
  out.values.reserve(static_cast<std::size_t>(count));
  Dims index(shape.size(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = std::inner_product(index.begin(), index.end(), strides.begin(), std::int64_t{0});
    out.values.push_back(from.values.at(static_cast<std::size_t>(at)));
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return out;
}

std::vector<std::size_t> counted(std::size_t rank) {
  std::vector<std::size_t> out(rank);
  std::iota(out.begin(), out.end(), std::size_t{0});
  return out;
}

std::vector<std::size_t> inverse(const std::vector<std::size_t>& order) {
  std::vector<std::size_t> out(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) out[order[i]] = i;
  return out;
}

/// 0, ..., rank-1 with `axis` at the end.
std::vector<std::size_t> moved_last(std::size_t rank, std::size_t axis) {
  std::vector<std::size_t> order = counted(rank);
  order.erase(order.begin() + static_cast<std::ptrdiff_t>(axis));
  order.push_back(axis);
  return order;
}

Tensor to_device(const Context& ctx, const Array& a, Dtype dtype) {
  return Tensor::from_host(ctx.backend, shape_of(a.shape), dtype, std::span<const double>(a.values));
}

}  // namespace

Array permuted(const Array& a, const std::vector<std::size_t>& order) {
  const Dims strides = strides_of(a.shape);
  Dims shape;
  Dims moved;
  for (const std::size_t axis : order) {
    shape.push_back(a.shape.at(axis));
    moved.push_back(strides.at(axis));
  }
  return gathered(a, shape, moved);
}

Array reshaped(Array a, Dims shape) {
  const std::int64_t count = a.count();
  a.shape = std::move(shape);
  if (a.count() != count) fail(ErrorKind::data, "[onnx] a node reshapes {} elements to {}", count, a.count());
  return a;
}

Array broadcast(const Array& a, const Dims& shape) {
  if (a.rank() > shape.size()) fail(ErrorKind::data, "[onnx] a node broadcasts to fewer axes");
  const std::size_t missing = shape.size() - a.rank();
  const Dims own = strides_of(a.shape);
  Dims strides(shape.size(), 0);
  for (std::size_t axis = 0; axis < a.rank(); ++axis) {
    if (a.shape[axis] == shape[missing + axis]) {
      strides[missing + axis] = own[axis];
    } else if (a.shape[axis] != 1) {
      fail(ErrorKind::data, "[onnx] a node broadcasts an axis of {} to {}", a.shape[axis], shape[missing + axis]);
    }
  }
  return gathered(a, shape, strides);
}

Array transposed(const Array& matrix) { return permuted(matrix, {1, 0}); }

Array channels_last(const Array& a) { return permuted(a, moved_last(a.rank(), 1)); }

Array channels_first(const Array& a) { return permuted(a, inverse(moved_last(a.rank(), 1))); }

Array as_picture(const Array& a) { return a.rank() == 3 ? reshaped(a, {a.shape[0], a.shape[1], 1, a.shape[2]}) : a; }

Rows rows_along(const Array& a, std::size_t axis) {
  Rows out{.rows = permuted(a, moved_last(a.rank(), axis)), .moved = {}, .axis = axis};
  out.moved = out.rows.shape;
  const std::int64_t length = out.moved.back();
  out.rows.shape = {length == 0 ? 0 : out.rows.count() / length, length};
  return out;
}

Array unrowed(const Rows& rows, std::vector<double> values) {
  const Array moved{.element = rows.rows.element, .shape = rows.moved, .values = std::move(values)};
  return permuted(moved, inverse(moved_last(rows.moved.size(), rows.axis)));
}

Shape shape_of(const Dims& dims) { return Shape(std::span<const std::int64_t>(dims)); }

Var activations(const Context& ctx, const Array& a) { return Var(to_device(ctx, a, ctx.dtype)); }

Var master(const Context& ctx, const Array& a) { return Var(to_device(ctx, a, ctx.master())); }

Array to_host(const Tensor& tensor, Dims shape, Element element) {
  return {.element = element, .shape = std::move(shape), .values = tensor.to_doubles()};
}

}  // namespace thaw::test
