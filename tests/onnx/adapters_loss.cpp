#include <algorithm>
#include <numeric>

#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

Tensor labels_of(const Context& ctx, const std::vector<double>& labels) {
  const std::vector<std::int32_t> host(labels.begin(), labels.end());
  return Tensor::from_labels(ctx.backend, host);
}

/// -log softmax(row)[label] of each row: the loss of a batch of one.
std::vector<double> losses(const Call& call, const Tensor& logits, const Tensor& labels) {
  Context& ctx = call.ctx;
  std::vector<double> out;
  for (std::int64_t row = 0; row < logits.shape()[0]; ++row) {
    const Tensor sums = make_loss_sums(ctx.backend);
    softmax_cross_entropy(ctx, Var(logits.rows(row, 1)), labels.rows(row, 1), sums);
    out.push_back(read_loss_sums(sums).loss);
  }
  return out;
}

/// log softmax along an axis: the loss with each class in turn as the label, its sign turned.
Array log_softmax_along(const Call& call, const Rows& rows) {
  const Tensor logits = master(call.ctx, rows.rows).value();
  const std::int64_t count = rows.rows.shape[0];
  const std::int64_t classes = rows.rows.shape[1];
  std::vector<double> out(rows.rows.values.size());
  for (std::int64_t label = 0; label < classes; ++label) {
    const std::vector<double> all(static_cast<std::size_t>(count), static_cast<double>(label));
    const std::vector<double> loss = losses(call, logits, labels_of(call.ctx, all));
    for (std::int64_t row = 0; row < count; ++row) {
      out[static_cast<std::size_t>(row * classes + label)] = -loss[static_cast<std::size_t>(row)];
    }
  }
  return unrowed(rows, out);
}

Array softmax_along(const Call& call, const Rows& rows) {
  Context& ctx = call.ctx;
  const std::vector<double> zeros(static_cast<std::size_t>(rows.rows.shape[0]), 0.0);
  const Loss loss =
      softmax_cross_entropy(ctx, master(ctx, rows.rows), labels_of(ctx, zeros), make_loss_sums(ctx.backend));
  return unrowed(rows, loss.probabilities.to_doubles());
}

/// Before opset 13 softmax ran over everything from its axis on.
Outputs along_axis(const Call& call, Array (*f)(const Call&, const Rows&)) {
  const Array& x = call.real(0);
  if (call.opset >= 13) return {f(call, rows_along(x, axis_in(call.node.integer("axis", -1), x.rank())))};
  const std::size_t axis = axis_in(call.node.integer("axis", 1), x.rank());
  const std::int64_t rows = std::accumulate(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis),
                                            std::int64_t{1}, std::multiplies<>());
  return {reshaped(f(call, rows_along(reshaped(x, {rows, x.count() / rows}), 1)), x.shape)};
}

Outputs softmax(const Call& call) { return along_axis(call, softmax_along); }
Outputs log_softmax(const Call& call) { return along_axis(call, log_softmax_along); }

/// loss(scores (N,C,...), labels (N,...)), and log softmax where it is wanted.
Outputs cross_entropy(const Call& call) {
  const Array& x = call.real(0);
  const Array& labels = call.input(1);
  need(!call.has(2), "class weights");
  if (call.node.has("ignore_index")) {
    const auto ignored = static_cast<double>(call.node.integer("ignore_index", -1));
    const bool any = std::find(labels.values.begin(), labels.values.end(), ignored) != labels.values.end();
    need(!any, "images with an ignored label");
  }
  Context& ctx = call.ctx;
  const Rows rows = rows_along(x, 1);
  const std::string reduction = call.node.text("reduction", "mean");
  Outputs out;
  if (reduction == "none") {
    const std::vector<double> loss = losses(call, master(ctx, rows.rows).value(), labels_of(ctx, labels.values));
    out.push_back({.element = Element::f32, .shape = labels.shape, .values = loss});
  } else {
    const Tensor sums = make_loss_sums(ctx.backend);
    softmax_cross_entropy(ctx, master(ctx, rows.rows), labels_of(ctx, labels.values), sums);
    const LossSums loss = read_loss_sums(sums);
    const double value = reduction == "mean" ? loss.loss / static_cast<double>(loss.images) : loss.loss;
    out.push_back({.element = Element::f32, .shape = {}, .values = {value}});
  }
  if (call.node.outputs.size() > 1) out.push_back(log_softmax_along(call, rows));
  return out;
}

Outputs negative_log_likelihood(const Call&) {
  throw NotApplicable{"numbers that are no log-probabilities are picked by label: thaw's loss takes logits"};
}

}  // namespace

Adapters loss_adapters() {
  return {{"Softmax", softmax},
          {"LogSoftmax", log_softmax},
          {"SoftmaxCrossEntropyLoss", cross_entropy},
          {"NegativeLogLikelihoodLoss", negative_log_likelihood}};
}

}  // namespace thaw::test
