#include "kernels/error.h"
#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

/// The picture's spatial shape behind (n,c), without the height that a line was given.
Dims spatial_shape(std::int64_t n, std::int64_t c, int h, int w, std::size_t rank) {
  return rank == 3 ? Dims{n, c, w} : Dims{n, c, h, w};
}

/// Y = Conv(X (N,C,H,W), W (K,C/groups,R,S), B (K)).
Outputs conv(const Call& call) {
  const Array& x = call.real(0);
  need(x.rank() == 3 || x.rank() == 4, "three spatial axes");
  const Array picture = as_picture(x);
  const Array filter = as_picture(call.real(1));
  const Window window = window_of(call, Dims(call.input(1).shape.begin() + 2, call.input(1).shape.end()),
                                  picture.shape[2], picture.shape[3]);
  const std::int64_t groups = call.node.integer("group", 1);
  const bool depthwise = groups > 1 && groups == picture.shape[1] && groups == filter.shape[0];
  const Array thaw_filter =
      depthwise ? reshaped(permuted(filter, {2, 3, 0, 1}), {window.r, window.s, groups}) : channels_last(filter);

  Context& ctx = call.ctx;
  const Var y = conv2d(ctx, activations(ctx, channels_last(picture)), master(ctx, thaw_filter),
                       call.has(2) ? master(ctx, call.input(2)) : Var(),
                       {.stride = window.stride,
                        .pad = window.pad,
                        .depthwise = depthwise,
                        .groups = depthwise ? 1 : static_cast<int>(groups)});
  const Array out = channels_first(to_host(y.value(), y.shape().to_vector()));
  return {reshaped(out, spatial_shape(out.shape[0], out.shape[1], y.shape().at(1), y.shape().at(2), x.rank()))};
}

/// One spatial axis of a transposed convolution: how many pixels come out, and what is padded.
struct Axis {
  int length = 1;
  int begin = 0, end = 0;
};

/// Axis `axis` of `axes`, from `inputs` positions through `taps` taps.
Axis transposed_axis(const Node& node, std::size_t axis, std::size_t axes, std::int64_t inputs, std::int64_t taps) {
  const std::int64_t stride = node.integers("strides", Dims(axes, 1)).at(axis);
  const Dims pads = node.integers("pads", Dims(2 * axes, 0));
  const auto whole =
      static_cast<int>(stride * (inputs - 1) + node.integers("output_padding", Dims(axes, 0)).at(axis) + taps);
  Axis out{.begin = static_cast<int>(pads.at(axis)), .end = static_cast<int>(pads.at(axis + axes))};
  if (node.text("auto_pad", "NOTSET") == "SAME_UPPER") {
    const int total = whole - static_cast<int>(inputs * stride);
    out.begin = total / 2;
    out.end = total - total / 2;
  }
  out.length = whole - out.begin - out.end;
  return out;
}

/// The convolution that the node transposes: filter (K,C,R,S), output gradient `dy` (N,K,P,Q).
ConvProblem transposed_problem(const Call& call, const Array& dy, const Array& filter, std::size_t axes) {
  const Dims strides = call.node.integers("strides", Dims(axes, 1));
  need(call.node.integers("dilations", Dims(axes, 1)) == Dims(axes, 1), "dilated: thaw's windows are dense");
  need(strides.front() == strides.back(), "stride {} vertically and {} horizontally: thaw has one stride",
       strides.front(), strides.back());
  const Axis rows = axes == 1 ? Axis() : transposed_axis(call.node, 0, axes, dy.shape[2], filter.shape[2]);
  const Axis columns = transposed_axis(call.node, axes - 1, axes, dy.shape[3], filter.shape[3]);
  const ConvProblem problem{.n = static_cast<int>(dy.shape[0]),
                            .c = static_cast<int>(filter.shape[1]),
                            .h = rows.length,
                            .w = columns.length,
                            .k = static_cast<int>(filter.shape[0]),
                            .r = static_cast<int>(filter.shape[2]),
                            .s = static_cast<int>(filter.shape[3]),
                            .stride = static_cast<int>(strides.back()),
                            .pad = {rows.begin, rows.end, columns.begin, columns.end},
                            .dtype = call.ctx.dtype};
  problem.check();
  if (problem.p() != dy.shape[2] || problem.q() != dy.shape[3]) {
    fail(ErrorKind::data, "[onnx] {} is no transpose of an input with {}x{} pixels", problem.text(), dy.shape[2],
         dy.shape[3]);
  }
  return problem;
}

/// Y = ConvTranspose(X (N,K,P,Q), W (K,C,R,S)) is the input gradient of the convolution with filter W whose output
/// gradient is X: `conv_backward_data`.
Outputs conv_transpose(const Call& call) {
  const Array& x = call.real(0);
  need(x.rank() == 3 || x.rank() == 4, "three spatial axes");
  need(call.node.integer("group", 1) == 1, "groups in a transposed convolution");
  need(!call.has(2), "a bias behind the transposed convolution: thaw's input gradient has none");
  need(!call.node.has("output_shape"), "padding derived from output_shape");
  const Array dy = as_picture(x);
  const Array filter = as_picture(call.real(1));
  const ConvProblem problem = transposed_problem(call, dy, filter, x.rank() - 2);

  Context& ctx = call.ctx;
  const Var gradient = activations(ctx, channels_last(dy));
  const Var w = master(ctx, channels_last(filter));
  const Tensor dx = ctx.empty({problem.n, problem.h, problem.w, problem.c});
  ctx.backend->conv_backward_data(problem, w.value().data(), gradient.value().data(), dx.data());
  const Array out = channels_first(to_host(dx, dx.shape().to_vector()));
  return {reshaped(out, spatial_shape(problem.n, problem.c, problem.h, problem.w, x.rank()))};
}

}  // namespace

Adapters conv_adapters() { return {{"Conv", conv}, {"ConvTranspose", conv_transpose}}; }

}  // namespace thaw::test
