#include "kernels/reference/reference_backend.h"
#include "tests/kernels/reference_ops.h"

namespace thaw::tests {

namespace {

ReferenceBackend& backend() {
  static ReferenceBackend instance;
  return instance;
}

Values blank(std::int64_t count) { return Values(static_cast<std::size_t>(count)); }

}  // namespace

DifferentiableOp act_op(Act act, std::size_t count) {
  const auto size = static_cast<std::int64_t>(count);
  return {std::string(name_of(act)),
          {count},
          [=](const std::vector<Values>& in) {
            Values y(count);
            backend().act_forward(act, Dtype::f64, size, in[0].data(), y.data());
            return y;
          },
          [=](const std::vector<Values>& in, const Values& dy) {
            Values dx(count);
            backend().act_backward(act, Dtype::f64, size, in[0].data(), dy.data(), dx.data());
            return std::vector<Values>{dx};
          }};
}

DifferentiableOp scale_op(ScaleProblem problem) {
  problem.dtype = Dtype::f64;
  const auto size = static_cast<std::size_t>(problem.size());
  const auto gates = static_cast<std::size_t>(problem.n) * static_cast<std::size_t>(problem.c);
  return {problem.text(),
          {size, gates},
          [=](const std::vector<Values>& in) {
            Values y(size);
            backend().scale_forward(problem, in[0].data(), in[1].data(), y.data());
            return y;
          },
          [=](const std::vector<Values>& in, const Values& dy) {
            std::vector<Values> gradients = {Values(size), Values(gates)};
            backend().scale_backward(problem, in[0].data(), in[1].data(), dy.data(), gradients[0].data(),
                                     gradients[1].data());
            return gradients;
          }};
}

DifferentiableOp pad_op(int n, int h, int w, int c, Pad pad) {
  const auto small = static_cast<std::size_t>(n * h * w * c);
  const auto large = static_cast<std::size_t>(n * (h + pad.top + pad.bottom) * (w + pad.left + pad.right) * c);
  return {"pad",
          {small},
          [=](const std::vector<Values>& in) {
            Values y(large);
            backend().pad_forward(n, h, w, c, pad, Dtype::f64, in[0].data(), y.data());
            return y;
          },
          [=](const std::vector<Values>&, const Values& dy) {
            Values dx(small);
            backend().pad_backward(n, h, w, c, pad, Dtype::f64, dy.data(), dx.data());
            return std::vector<Values>{dx};
          }};
}

DifferentiableOp sum_rows_op(std::int64_t rows, int c) {
  return {"sum_rows",
          {static_cast<std::size_t>(rows * c)},
          [=](const std::vector<Values>& in) {
            Values sums = blank(c);
            backend().sum_rows(Dtype::f64, rows, c, in[0].data(), sums.data());
            return sums;
          },
          [=](const std::vector<Values>&, const Values& dy) {  // the transpose copies dy into every row
            Values dx = blank(rows * c);
            for (std::size_t i = 0; i < dx.size(); ++i) dx[i] = dy[i % dy.size()];
            return std::vector<Values>{dx};
          }};
}

DifferentiableOp dropout_op(std::size_t count, float rate) {
  const auto apply = [=](const Values& x) {
    Values y(count);
    backend().dropout(Dtype::f64, static_cast<std::int64_t>(count), rate, 5, x.data(), y.data());
    return y;
  };
  return {"dropout",
          {count},
          [apply](const std::vector<Values>& in) { return apply(in[0]); },
          [apply](const std::vector<Values>&, const Values& dy) { return std::vector<Values>{apply(dy)}; }};
}

DifferentiableOp softmax_op(int n, int classes) {
  const auto count = static_cast<std::size_t>(n * classes);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i * 3) % classes;
  return {"softmax_cross_entropy",
          {count},
          [=](const std::vector<Values>& in) {
            LossSums sums;
            backend().softmax_cross_entropy(Dtype::f64, n, classes, in[0].data(), labels.data(), 1, nullptr, nullptr,
                                            &sums);
            return Values{sums.loss / n};
          },
          [=](const std::vector<Values>& in, const Values& dy) {
            Values dx(count);
            backend().softmax_cross_entropy(Dtype::f64, n, classes, in[0].data(), labels.data(), dy[0] / n, nullptr,
                                            dx.data(), nullptr);
            return std::vector<Values>{dx};
          }};
}

}  // namespace thaw::tests
