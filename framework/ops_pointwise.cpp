#include "framework/dropout_masks.h"
#include "framework/ops.h"
#include "framework/ops_record.h"
#include "kernels/error.h"

namespace thaw {

Var activation(Context& ctx, const Var& x, Act act) {
  if (act == Act::linear) return x;
  const Tensor y = Tensor::empty(ctx.backend, x.shape(), x.value().dtype());
  ctx.backend->act_forward(act, y.dtype(), y.numel(), x.value().data(), y.data());
  return record_activation(ctx, act, x, y);
}

Var record_activation(Context& ctx, Act act, const Var& x, const Tensor& y) {
  const Var out = ctx.output(y, {&x});
  if (!out.wants_grad()) return out;
  ctx.tape->record("activation", {x.value()}, out,
                   [backend = ctx.backend, act, saved = x.value(), dx_slot = x.gradient()](const Tensor& dy) {
                     const Tensor dx = Tensor::empty(backend, saved.shape(), saved.dtype());
                     backend->act_backward(act, dx.dtype(), dx.numel(), saved.data(), dy.data(), dx.data());
                     dx_slot->accumulate(dx);
                   });
  return out;
}

Var add(Context& ctx, const Var& x, const Var& y) {
  if (x.shape() != y.shape() || x.value().dtype() != y.value().dtype()) {
    fail(ErrorKind::usage, "[add] {} and {} differ", x.shape().text(), y.shape().text());
  }
  const Tensor sum = Tensor::empty(ctx.backend, x.shape(), x.value().dtype());
  ctx.backend->add(sum.dtype(), sum.numel(), x.value().data(), y.value().data(), sum.data());
  const Var out = ctx.output(sum, {&x, &y});
  if (!out.wants_grad()) return out;
  ctx.tape->record("add", {}, out, [a = x.gradient(), b = y.gradient()](const Tensor& dy) {
    if (a) a->accumulate(dy);
    if (b) b->accumulate(dy);
  });
  return out;
}

Var scale_channels(Context& ctx, const Var& x, const Var& gate) {
  const bool fits = x.shape().rank() == 4 && gate.value().numel() == x.shape()[0] * x.shape()[3];
  if (!fits) {
    fail(ErrorKind::usage, "[scale_channels] {} wants a gate of (N,C), found {}", x.shape().text(),
         gate.shape().text());
  }
  const ScaleProblem problem{
      .n = x.shape().at(0), .hw = x.shape().at(1) * x.shape().at(2), .c = x.shape().at(3), .dtype = x.value().dtype()};
  const Tensor y = Tensor::empty(ctx.backend, x.shape(), problem.dtype);
  ctx.backend->scale_forward(problem, x.value().data(), gate.value().data(), y.data());
  return record_scale(ctx, problem, x, gate, y);
}

Var record_scale(Context& ctx, const ScaleProblem& problem, const Var& x, const Var& gate, const Tensor& y) {
  const Var out = ctx.output(y, {&x, &gate});
  if (!out.wants_grad()) return out;
  const Tensor saved_x = gate.wants_grad() ? x.value() : Tensor();
  const Tensor saved_gate = x.wants_grad() ? gate.value() : Tensor();
  const auto record = [backend = ctx.backend, problem, saved_x, saved_gate, x_shape = x.shape(),
                       gate_shape = gate.shape(), dx_slot = x.gradient(),
                       dgate_slot = gate.gradient()](const Tensor& dy) {
    const Tensor dx = dx_slot ? Tensor::empty(backend, x_shape, problem.dtype) : Tensor();
    const Tensor dgate = dgate_slot ? Tensor::empty(backend, gate_shape, problem.dtype) : Tensor();
    backend->scale_backward(problem, dgate_slot ? saved_x.data() : nullptr, dx_slot ? saved_gate.data() : nullptr,
                            dy.data(), dx_slot ? dx.data() : nullptr, dgate_slot ? dgate.data() : nullptr);
    if (dx_slot) dx_slot->accumulate(dx);
    if (dgate_slot) dgate_slot->accumulate(dgate);
  };
  ctx.tape->record("scale_channels", {saved_x, saved_gate}, out, record);
  return out;
}

Var cast(Context& ctx, const Var& x, Dtype dtype) {
  const Dtype from = x.value().dtype();
  if (from == dtype) return x;
  const Tensor y = Tensor::empty(ctx.backend, x.shape(), dtype);
  ctx.backend->cast(from, dtype, y.numel(), x.value().data(), y.data());
  const Var out = ctx.output(y, {&x});
  if (!out.wants_grad()) return out;
  ctx.tape->record("cast", {}, out, [backend = ctx.backend, from, dtype, dx_slot = x.gradient()](const Tensor& dy) {
    const Tensor dx = Tensor::empty(backend, dy.shape(), from);
    backend->cast(dtype, from, dy.numel(), dy.data(), dx.data());
    dx_slot->accumulate(dx);
  });
  return out;
}

namespace {

/// The same with the factors in memory.
Var dropout_by_mask(Context& ctx, const Var& x, double rate) {
  const Tensor mask = ctx.masks->mask(ctx, ctx.dropouts++, x.value(), rate);
  const int rows = x.shape().at(0);
  const ScaleProblem problem{.n = rows, .c = static_cast<int>(x.value().numel() / rows), .dtype = x.value().dtype()};
  const Tensor y = Tensor::empty(ctx.backend, x.shape(), x.value().dtype());
  ctx.backend->scale_forward(problem, x.value().data(), mask.data(), y.data());
  const Var out = ctx.output(y, {&x});
  if (!out.wants_grad()) return out;
  ctx.tape->record("dropout", {}, out,
                   [backend = ctx.backend, problem, mask, dx_slot = x.gradient()](const Tensor& dy) {
                     const Tensor dx = Tensor::empty(backend, dy.shape(), dy.dtype());
                     backend->scale_backward(problem, nullptr, mask.data(), dy.data(), dx.data(), nullptr);
                     dx_slot->accumulate(dx);
                   });
  return out;
}

}  // namespace

Var dropout(Context& ctx, const Var& x, double rate) {
  if (rate < 0 || rate >= 1) fail(ErrorKind::usage, "[dropout] the rate must be in [0, 1), found {}", rate);
  if (!ctx.training || rate == 0) return x;
  if (ctx.masks != nullptr) return dropout_by_mask(ctx, x, rate);
  const std::uint64_t seed = dropout_seed(ctx, ctx.dropouts++);
  const auto p = static_cast<float>(rate);
  const Tensor y = Tensor::empty(ctx.backend, x.shape(), x.value().dtype());
  ctx.backend->dropout(y.dtype(), y.numel(), p, seed, x.value().data(), y.data());
  const Var out = ctx.output(y, {&x});
  if (!out.wants_grad()) return out;
  ctx.tape->record("dropout", {}, out, [backend = ctx.backend, p, seed, dx_slot = x.gradient()](const Tensor& dy) {
    const Tensor dx = Tensor::empty(backend, dy.shape(), dy.dtype());
    backend->dropout(dy.dtype(), dy.numel(), p, seed, dy.data(), dx.data());
    dx_slot->accumulate(dx);
  });
  return out;
}

Var reshape(Context& ctx, const Var& x, const Shape& shape) {
  const Var out = ctx.output(x.value().reshaped(shape), {&x});
  if (!out.wants_grad()) return out;
  ctx.tape->record("reshape", {}, out, [from = x.shape(), dx_slot = x.gradient()](const Tensor& dy) {
    dx_slot->accumulate(dy.reshaped(from));
  });
  return out;
}

Tensor preprocess(const Context& ctx, const Tensor& pixels, const Preprocess& how) {
  const Shape& shape = pixels.shape();
  if (shape.rank() != 4 || shape[3] != 3) {
    fail(ErrorKind::usage, "[preprocess] wanted pixels (N,H,W,3), found {}", shape.text());
  }
  const Tensor y = ctx.empty(shape);
  const PreprocessProblem problem{.n = shape.at(0),
                                  .hw = shape.at(1) * shape.at(2),
                                  .bgr = how.bgr,
                                  .scale = how.scale,
                                  .offset = {how.offset[0], how.offset[1], how.offset[2]},
                                  .input = pixels.dtype(),
                                  .output = y.dtype()};
  ctx.backend->preprocess(problem, pixels.data(), y.data());
  return y;
}

}  // namespace thaw
