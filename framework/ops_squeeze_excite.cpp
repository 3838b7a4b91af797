#include "framework/ops.h"
#include "framework/ops_record.h"
#include "kernels/error.h"

namespace thaw {

namespace {

SqueezeExciteProblem problem_of(const Var& x, const SqueezeExciteWeights& weights) {
  const Shape& in = x.shape();
  const Shape& reduce = weights.reduce.shape();
  const bool fits = in.rank() == 4 && reduce.rank() == 4 && reduce == Shape{reduce[0], 1, 1, in[3]} &&
                    weights.expand.shape() == Shape{in[3], 1, 1, reduce[0]} &&
                    weights.reduce_bias.shape() == Shape{reduce[0]} && weights.expand_bias.shape() == Shape{in[3]};
  if (!fits) {
    fail(ErrorKind::usage,
         "[squeeze_excite] input {}, filters {} and {} do not fit: wanted (N,H,W,C), (K,1,1,C) and (C,1,1,K), with "
         "biases",
         in.text(), reduce.text(), weights.expand.shape().text());
  }
  return {.n = in.at(0), .c = in.at(3), .h = in.at(1), .w = in.at(2), .k = reduce.at(0), .dtype = x.value().dtype()};
}

}  // namespace

SqueezeExciteOutputs squeeze_excite(Context& ctx, const Var& x, const SqueezeExciteWeights& weights) {
  const SqueezeExciteProblem p = problem_of(x, weights);
  const bool records =
      ctx.wants_grad({&x, &weights.reduce, &weights.reduce_bias, &weights.expand, &weights.expand_bias});
  const auto between = [&](int channels) {
    return records || ctx.observing() ? Tensor::empty(ctx.backend, {p.n, 1, 1, channels}, p.dtype) : Tensor();
  };
  const Tensor pooled = between(p.c);
  const Tensor reduced = between(p.k);
  const Tensor squeezed = between(p.k);
  const Tensor expanded = between(p.c);
  const Tensor gate = between(p.c);
  const Tensor y = Tensor::empty(ctx.backend, x.shape(), p.dtype);
  const auto place = [](const Tensor& tensor) { return tensor.defined() ? tensor.data() : nullptr; };
  ctx.backend->squeeze_excite_forward(p, {.x = x.value().data(),
                                          .reduce = weights.reduce.value().data(),
                                          .reduce_bias = weights.reduce_bias.value().data(),
                                          .expand = weights.expand.value().data(),
                                          .expand_bias = weights.expand_bias.value().data(),
                                          .pooled = place(pooled),
                                          .reduced = place(reduced),
                                          .squeezed = place(squeezed),
                                          .expanded = place(expanded),
                                          .gate = place(gate),
                                          .y = y.data()});
  if (!records) return {Var(pooled), Var(reduced), Var(squeezed), Var(expanded), Var(gate), Var(y)};

  // The way back is that of the separate ops, so that each records and keeps only what a wanted gradient needs.
  SqueezeExciteOutputs out;
  const Var mean = record_pool(ctx, p.pool(), x, pooled.reshaped({p.n, p.c}), {});
  out.pooled = reshape(ctx, mean, pooled.shape());
  out.reduced = record_conv2d(ctx, p.reduce(), out.pooled, weights.reduce, weights.reduce_bias, reduced);
  out.squeezed = record_activation(ctx, Act::relu, out.reduced, squeezed);
  out.expanded = record_conv2d(ctx, p.expand(), out.squeezed, weights.expand, weights.expand_bias, expanded);
  out.gate = record_activation(ctx, Act::hard_sigmoid, out.expanded, gate);
  out.y = record_scale(ctx, p.scale(), x, out.gate, y);
  return out;
}

}  // namespace thaw
