#include "framework/ops.h"
#include "framework/ops_record.h"
#include "kernels/error.h"

namespace thaw {

ConvProblem conv_problem(const Shape& x, const Shape& w, bool bias, Dtype dtype, const ConvOptions& options) {
  const bool shapes_fit = x.rank() == 4 && w.rank() == (options.depthwise ? 3 : 4) &&
                          w[w.rank() - 1] * (options.depthwise ? 1 : options.groups) == x[3];
  if (!shapes_fit) {
    fail(ErrorKind::usage, "[conv2d] input {} and filter {} do not fit: wanted (N,H,W,C) and {}", x.text(), w.text(),
         options.depthwise ? "(R,S,C)" : "(K,R,S,C/groups)");
  }
  ConvProblem problem{.n = x.at(0), .c = x.at(3), .h = x.at(1), .w = x.at(2), .stride = options.stride};
  const int first = options.depthwise ? 0 : 1;
  problem.k = options.depthwise ? x.at(3) : w.at(0);
  problem.r = w.at(first);
  problem.s = w.at(first + 1);
  problem.pad = options.pad;
  problem.groups = options.depthwise ? x.at(3) : options.groups;
  problem.bias = bias;
  problem.dtype = dtype;
  problem.check();
  return problem;
}

Var conv2d(Context& ctx, const Var& x, const Var& w, const Var& bias, const ConvOptions& options) {
  const ConvProblem problem = conv_problem(x.shape(), w.shape(), bias.defined(), x.value().dtype(), options);
  if (bias.defined() && bias.shape() != Shape{problem.k}) {
    fail(ErrorKind::usage, "[conv2d] the bias of {} must be ({}), not {}", problem.text(), problem.k,
         bias.shape().text());
  }
  const Tensor y = Tensor::empty(ctx.backend, {problem.n, problem.p(), problem.q(), problem.k}, problem.dtype);
  ctx.backend->conv_forward(problem, {.x = x.value().data(),
                                      .w = w.value().data(),
                                      .bias = bias.defined() ? bias.value().data() : nullptr,
                                      .y = y.data()});
  return record_conv2d(ctx, problem, x, w, bias, y);
}

Var record_conv2d(Context& ctx, const ConvProblem& problem, const Var& x, const Var& w, const Var& bias,
                  const Tensor& y) {
  const Var out = ctx.output(y, {&x, &w, &bias});
  if (!out.wants_grad()) return out;
  const bool wants_filter = w.wants_grad() || bias.wants_grad();
  const Tensor saved_x = wants_filter ? x.value() : Tensor();
  const Tensor saved_w = x.wants_grad() ? w.value() : Tensor();
  const auto record = [backend = ctx.backend, problem, saved_x, saved_w, x_shape = x.shape(), w_shape = w.shape(),
                       dx_slot = x.gradient(), dw_slot = w.gradient(), db_slot = bias.gradient()](const Tensor& dy) {
    const Dtype master = master_dtype(problem.dtype);
    if (dw_slot || db_slot) {
      const Tensor dw = Tensor::empty(backend, w_shape, master);
      const Tensor db = db_slot ? Tensor::empty(backend, {problem.k}, master) : Tensor();
      backend->conv_backward_filter(problem, saved_x.data(), dy.data(), dw.data(), db_slot ? db.data() : nullptr);
      if (dw_slot) dw_slot->accumulate(dw);
      if (db_slot) db_slot->accumulate(db);
    }
    if (dx_slot) {
      const Tensor dx = Tensor::empty(backend, x_shape, problem.dtype);
      backend->conv_backward_data(problem, saved_w.data(), dy.data(), dx.data());
      dx_slot->accumulate(dx);
    }
  };
  ctx.tape->record("conv2d", {saved_x}, out, record);
  return out;
}

}  // namespace thaw
