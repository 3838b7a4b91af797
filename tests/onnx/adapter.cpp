#include "tests/onnx/adapter.h"

#include <algorithm>
#include <span>

#include "kernels/error.h"

namespace thaw::test {

namespace {

/// A node's attribute per spatial axis as (height, width): a line has height 1.
struct Pair {
  int h;
  int w;
};

Pair pair_of(const Dims& values, int height_of_a_line) {
  need(values.size() <= 2, "three spatial axes");
  if (values.empty()) fail(ErrorKind::data, "[onnx] an attribute of the spatial axes is empty");
  if (values.size() == 1) return {height_of_a_line, static_cast<int>(values[0])};
  return {static_cast<int>(values[0]), static_cast<int>(values[1])};
}

Pad explicit_pad(const Dims& pads) {
  if (pads.size() == 2) return {.left = static_cast<int>(pads[0]), .right = static_cast<int>(pads[1])};
  if (pads.size() != 4) fail(ErrorKind::data, "[onnx] pads has {} values", pads.size());
  return {.top = static_cast<int>(pads[0]),
          .bottom = static_cast<int>(pads[2]),
          .left = static_cast<int>(pads[1]),
          .right = static_cast<int>(pads[3])};
}

/// Pixels to add at the end of an axis so that its last window, begun inside, is whole.
int to_whole_window(std::int64_t padded, int kernel, int stride) {
  const auto over = static_cast<int>((padded - kernel) % stride);
  return over == 0 ? 0 : stride - over;
}

/// The one stride of both axes; that of an axis with a single window does not matter.
int stride_of(Pair stride, std::int64_t windows_h, std::int64_t windows_w) {
  if (stride.h == stride.w || windows_w == 1) return stride.h;
  need(windows_h == 1, "stride {} vertically and {} horizontally: thaw has one stride", stride.h, stride.w);
  return stride.w;
}

}  // namespace

const Array& Call::input(std::size_t i) const {
  if (!has(i)) fail(ErrorKind::data, "[onnx] {} has no input {}", node.op, i);
  return inputs[i];
}

const Array& Call::real(std::size_t i) const {
  need(input(i).floating(), "elements are {}: thaw computes in f32, bf16 and f64", name_of(input(i).element));
  return input(i);
}

std::size_t axis_in(std::int64_t axis, std::size_t rank) {
  const std::int64_t counted = axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
  if (counted < 0 || counted >= static_cast<std::int64_t>(rank)) {
    fail(ErrorKind::data, "[onnx] axis {} of an array with {} axes", axis, rank);
  }
  return static_cast<std::size_t>(counted);
}

Var scaled(Context& ctx, const Var& x, double factor) {
  const std::int64_t rows = x.value().numel();
  const std::vector<double> one{factor};
  const Var gate(Tensor::from_host(ctx.backend, {1, 1}, x.value().dtype(), std::span<const double>(one)));
  return reshape(ctx, scale_channels(ctx, reshape(ctx, x, {1, rows, 1, 1}), gate), x.shape());
}

Window window_of(const Call& call, const Dims& kernel, std::int64_t h, std::int64_t w) {
  const Node& node = call.node;
  const Dims ones(kernel.size(), 1);
  const Pair size = pair_of(kernel, 1);
  const Pair dilation = pair_of(node.integers("dilations", ones), 1);
  need(dilation.h == 1 && dilation.w == 1, "dilated: thaw's windows are dense");
  const Pair stride = pair_of(node.integers("strides", ones), 1);
  Window out{.r = size.h, .s = size.w};

  const std::string automatic = node.text("auto_pad", "NOTSET");
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    need(stride.h == stride.w, "stride {} vertically and {} horizontally: thaw has one stride", stride.h, stride.w);
    out.stride = stride.h;
    out.pad = pad_same(static_cast<int>(h), static_cast<int>(w), out.r, out.s, out.stride);
    if (automatic == "SAME_LOWER") {  // the odd pixel in front
      std::swap(out.pad.top, out.pad.bottom);
      std::swap(out.pad.left, out.pad.right);
    }
    return out;
  }
  if (automatic != "VALID") out.pad = explicit_pad(node.integers("pads", Dims(2 * kernel.size(), 0)));
  const std::int64_t padded_h = h + out.pad.top + out.pad.bottom;
  const std::int64_t padded_w = w + out.pad.left + out.pad.right;
  if (node.integer("ceil_mode", 0) != 0) {
    const int below = to_whole_window(padded_h, out.r, stride.h);
    const int right = to_whole_window(padded_w, out.s, stride.w);
    out.pad.bottom += below;
    out.pad.right += right;
    out.ceiled = below + right > 0;
  }
  out.stride = stride_of(stride, (padded_h - out.r) / stride.h + 1, (padded_w - out.s) / stride.w + 1);
  return out;
}

}  // namespace thaw::test
