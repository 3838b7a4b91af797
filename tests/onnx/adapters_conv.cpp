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

/// Padding of a transposed convolution along one axis.
struct Ends {
  int begin = 0, end = 0;
};

/// Y = ConvTranspose(X (N,K,P,Q), W (K,C,R,S)) is the input gradient of the convolution with filter W whose output
/// gradient is X: `conv_backward_data`.
Outputs conv_transpose(const Call& call) {
  const Array& x = call.real(0);
  need(x.rank() == 3 || x.rank() == 4, "three spatial axes");
  const Array dy = as_picture(x);
  const Array filter = as_picture(call.real(1));
  need(call.node.integer("group", 1) == 1, "groups in a transposed convolution");
  need(!call.has(2), "a bias behind the transposed convolution: thaw's input gradient has none");
  need(!call.node.has("output_shape"), "padding derived from output_shape");

  const bool line = x.rank() == 3;
  const Dims ones(x.rank() - 2, 1);
  const Dims strides = call.node.integers("strides", ones);
  const Dims dilations = call.node.integers("dilations", ones);
  need(dilations == ones, "dilated: thaw's windows are dense");
  need(strides.front() == strides.back(), "stride {} vertically and {} horizontally: thaw has one stride",
       strides.front(), strides.back());
  const int stride = static_cast<int>(strides.back());
  const Dims extra = call.node.integers("output_padding", Dims(x.rank() - 2, 0));
  const Dims pads = call.node.integers("pads", Dims(2 * (x.rank() - 2), 0));
  const bool same = call.node.text("auto_pad", "NOTSET") == "SAME_UPPER";

  // The length of the input whose convolution has `outputs` positions, and its padding.
  const auto length = [&](std::int64_t outputs, std::int64_t taps, std::size_t axis, Ends& ends) {
    const std::int64_t whole = stride * (outputs - 1) + extra.at(axis) + taps;
    ends = {static_cast<int>(pads.at(axis)), static_cast<int>(pads.at(axis + pads.size() / 2))};
    if (same) {
      const auto total = static_cast<int>(whole - outputs * stride);
      ends = {total / 2, total - total / 2};
    }
    return static_cast<int>(whole - ends.begin - ends.end);
  };
  Ends rows;
  Ends columns;
  ConvProblem problem{.n = static_cast<int>(dy.shape[0]),
                      .c = static_cast<int>(filter.shape[1]),
                      .k = static_cast<int>(filter.shape[0]),
                      .r = static_cast<int>(filter.shape[2]),
                      .s = static_cast<int>(filter.shape[3]),
                      .stride = stride,
                      .dtype = call.ctx.dtype};
  problem.h = line ? 1 : length(dy.shape[2], problem.r, 0, rows);
  problem.w = length(dy.shape[3], problem.s, line ? 0 : 1, columns);
  problem.pad = {.top = rows.begin, .bottom = rows.end, .left = columns.begin, .right = columns.end};
  problem.check();
  if (problem.p() != dy.shape[2] || problem.q() != dy.shape[3]) {
    fail(ErrorKind::data, "[onnx] {} is no transpose of an input with {}x{} pixels", problem.text(), dy.shape[2],
         dy.shape[3]);
  }
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
