#pragma once

#include "framework/autograd.h"
#include "tests/onnx/model.h"

namespace thaw::test {

// The edge between ONNX and thaw: it moves and copies numbers, and computes nothing.

using Dims = std::vector<std::int64_t>;

/// Axis i of the result is axis `order[i]` of `a`.
Array permuted(const Array& a, const std::vector<std::size_t>& order);
Array reshaped(Array a, Dims shape);
/// Copies `a` along axes of length 1 and missing leading axes, as NumPy does.
Array broadcast(const Array& a, const Dims& shape);
Array transposed(const Array& matrix);

/// (N,C,...) -> (N,...,C), and back.
Array channels_last(const Array& a);
Array channels_first(const Array& a);
/// (N,C,L) -> (N,C,1,L): a line is a picture of height 1. Pictures stay as they are.
Array as_picture(const Array& a);

/// Rows of one axis: the axis moved to the end, everything else flattened in front.
struct Rows {
  Array rows;  ///< (rows, length of the axis)
  Dims moved;  ///< the shape with the axis at the end
  std::size_t axis = 0;
};
Rows rows_along(const Array& a, std::size_t axis);
/// The same numbers, `values` instead of `rows.rows`, in the shape that `rows_along` was given.
Array unrowed(const Rows& rows, std::vector<double> values);

Shape shape_of(const Dims& dims);
/// The array on the context's backend as activations or as a master operand.
Var activations(const Context& ctx, const Array& a);
Var master(const Context& ctx, const Array& a);
/// A device tensor's values as an ONNX array.
Array to_host(const Tensor& tensor, Dims shape, Element element = Element::f32);

}  // namespace thaw::test
