#include "framework/ops.h"
#include "framework/ops_record.h"
#include "kernels/error.h"

namespace thaw {

namespace {

Var run_pool(Context& ctx, const Var& x, const PoolProblem& problem, const Shape& out_shape) {
  problem.check();
  const bool max = problem.kind == PoolKind::max;
  const Tensor y = Tensor::empty(ctx.backend, out_shape, problem.dtype);
  const Tensor indices = max && ctx.wants_grad({&x}) ? Tensor::empty(ctx.backend, out_shape, Dtype::i32) : Tensor();
  ctx.backend->pool_forward(problem, x.value().data(), y.data(),
                            indices.defined() ? indices.data_as<std::int32_t>() : nullptr);
  return record_pool(ctx, problem, x, y, indices);
}

void check_picture(const char* op, const Shape& shape) {
  if (shape.rank() != 4) fail(ErrorKind::usage, "[{}] wanted (N,H,W,C), found {}", op, shape.text());
}

}  // namespace

Var record_pool(Context& ctx, const PoolProblem& problem, const Var& x, const Tensor& y, const Tensor& indices) {
  const Var out = ctx.output(y, {&x});
  if (!out.wants_grad()) return out;
  ctx.tape->record(
      problem.kind == PoolKind::max ? "max_pool" : "average_pool", {indices}, out,
      [backend = ctx.backend, problem, indices, x_shape = x.shape(), dx_slot = x.gradient()](const Tensor& dy) {
        const Tensor dx = Tensor::empty(backend, x_shape, problem.dtype);
        backend->pool_backward(problem, dy.data(), indices.defined() ? indices.data_as<std::int32_t>() : nullptr,
                               dx.data());
        dx_slot->accumulate(dx);
      });
  return out;
}

Var pool2d(Context& ctx, const Var& x, const PoolOptions& options) {
  check_picture("pool2d", x.shape());
  const Shape& in = x.shape();
  const PoolProblem problem{.kind = options.kind,
                            .n = in.at(0),
                            .c = in.at(3),
                            .h = in.at(1),
                            .w = in.at(2),
                            .r = options.window,
                            .s = options.window,
                            .stride = options.stride,
                            .pad = options.pad,
                            .count_padding = options.count_padding,
                            .dtype = x.value().dtype()};
  return run_pool(ctx, x, problem, {problem.n, problem.p(), problem.q(), problem.c});
}

Var global_average_pool(Context& ctx, const Var& x) {
  check_picture("global_average_pool", x.shape());
  const Shape& in = x.shape();
  const PoolProblem problem{.kind = PoolKind::average,
                            .n = in.at(0),
                            .c = in.at(3),
                            .h = in.at(1),
                            .w = in.at(2),
                            .r = in.at(1),
                            .s = in.at(2),
                            .stride = 1,
                            .dtype = x.value().dtype()};
  return run_pool(ctx, x, problem, {problem.n, problem.c});
}

Var zero_pad(Context& ctx, const Var& x, const Pad& pad) {
  check_picture("zero_pad", x.shape());
  const Shape in = x.shape();
  const Shape wide{in[0], in[1] + pad.top + pad.bottom, in[2] + pad.left + pad.right, in[3]};
  const Dtype dtype = x.value().dtype();
  const Tensor y = Tensor::empty(ctx.backend, wide, dtype);
  ctx.backend->pad_forward(in.at(0), in.at(1), in.at(2), in.at(3), pad, dtype, x.value().data(), y.data());
  const Var out = ctx.output(y, {&x});
  if (!out.wants_grad()) return out;
  ctx.tape->record("zero_pad", {}, out,
                   [backend = ctx.backend, in, pad, dtype, dx_slot = x.gradient()](const Tensor& dy) {
                     const Tensor dx = Tensor::empty(backend, in, dtype);
                     backend->pad_backward(in.at(0), in.at(1), in.at(2), in.at(3), pad, dtype, dy.data(), dx.data());
                     dx_slot->accumulate(dx);
                   });
  return out;
}

}  // namespace thaw
