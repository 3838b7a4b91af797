#include "framework/ops.h"
#include "kernels/error.h"

namespace thaw {

Var dense(Context& ctx, const Var& x, const Var& w, const Var& bias, Act act) {
  const bool fits = x.shape().rank() == 2 && w.shape().rank() == 2 && x.shape()[1] == w.shape()[1] &&
                    (!bias.defined() || bias.shape() == Shape{w.shape()[0]});
  if (!fits) {
    fail(ErrorKind::usage, "[dense] input {} and weights {} do not fit: wanted (N,C) and (K,C)", x.shape().text(),
         w.shape().text());
  }
  const DenseProblem problem{.n = x.shape().at(0),
                             .c = x.shape().at(1),
                             .k = w.shape().at(0),
                             .bias = bias.defined(),
                             .act = act,
                             .dtype = x.value().dtype()};
  const Tensor y = Tensor::empty(ctx.backend, {problem.n, problem.k}, problem.dtype);
  ctx.backend->dense_forward(problem, x.value().data(), w.value().data(),
                             bias.defined() ? bias.value().data() : nullptr, y.data());
  const Var out = ctx.output(y, {&x, &w, &bias});
  if (!out.wants_grad()) return out;
  if (act != Act::linear) {
    fail(ErrorKind::usage, "[dense] a fused {} has no gradient: use activation() behind a linear dense layer",
         name_of(act));
  }
  const bool wants_weights = w.wants_grad() || bias.wants_grad();
  const Tensor saved_x = wants_weights ? x.value() : Tensor();
  const Tensor saved_w = x.wants_grad() ? w.value() : Tensor();
  const auto record = [backend = ctx.backend, problem, saved_x, saved_w, w_shape = w.shape(), x_shape = x.shape(),
                       dx_slot = x.gradient(), dw_slot = w.gradient(), db_slot = bias.gradient()](const Tensor& dy) {
    const Dtype master = master_dtype(problem.dtype);
    if (dw_slot || db_slot) {
      const Tensor dw = Tensor::empty(backend, w_shape, master);
      const Tensor db = db_slot ? Tensor::empty(backend, {problem.k}, master) : Tensor();
      backend->dense_backward_weights(problem, saved_x.data(), dy.data(), dw.data(), db_slot ? db.data() : nullptr);
      if (dw_slot) dw_slot->accumulate(dw);
      if (db_slot) db_slot->accumulate(db);
    }
    if (dx_slot) {
      const Tensor dx = Tensor::empty(backend, x_shape, problem.dtype);
      backend->dense_backward_data(problem, saved_w.data(), dy.data(), dx.data());
      dx_slot->accumulate(dx);
    }
  };
  ctx.tape->record("dense", {saved_x}, out, record);
  return out;
}

Tensor make_loss_sums(const std::shared_ptr<Backend>& backend) {
  return Tensor::zeros(backend, {static_cast<std::int64_t>(sizeof(LossSums))}, Dtype::u8);
}

LossSums read_loss_sums(const Tensor& sums) {
  LossSums host;
  sums.backend()->download(&host, sums.data(), sizeof(LossSums));
  return host;
}

Loss softmax_cross_entropy(Context& ctx, const Var& logits, const Tensor& labels, const Tensor& sums) {
  const Shape& shape = logits.shape();
  if (shape.rank() != 2 || labels.shape() != Shape{shape[0]} || labels.dtype() != Dtype::i32) {
    fail(ErrorKind::usage, "[softmax_cross_entropy] wanted logits (N,classes) and labels (N), found {} and {}",
         shape.text(), labels.shape().text());
  }
  const Dtype master = logits.value().dtype();
  Loss loss{.sums = sums, .probabilities = Tensor::empty(ctx.backend, shape, master)};
  const bool wanted = ctx.wants_grad({&logits});
  const Tensor dlogits = wanted ? Tensor::empty(ctx.backend, shape, master) : Tensor();
  ctx.backend->softmax_cross_entropy(master, shape.at(0), shape.at(1), logits.value().data(),
                                     labels.data_as<std::int32_t>(), 1.0 / static_cast<double>(shape[0]),
                                     loss.probabilities.data(), wanted ? dlogits.data() : nullptr,
                                     sums.data_as<LossSums>());
  if (wanted) {
    ctx.tape->record("softmax_cross_entropy", {dlogits}, Var(),
                     [dlogits, slot = logits.gradient()](const Tensor&) { slot->accumulate(dlogits); });
  }
  return loss;
}

}  // namespace thaw
