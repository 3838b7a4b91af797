#include "app/trace_run.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "framework/ops.h"
#include "framework/optimizer.h"
#include "kernels/error.h"

namespace thaw {

namespace {

/// Keras' categorical cross-entropy of probabilities: clipped to [1e-7, 1 - 1e-7] before the logarithm.
double clipped_loss(const std::vector<double>& probabilities, const std::vector<std::int32_t>& labels) {
  const std::size_t classes = probabilities.size() / labels.size();
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double p = probabilities[i * classes + static_cast<std::size_t>(labels[i])];
    sum -= std::log(std::clamp(p, 1e-7, 1 - 1e-7));
  }
  return sum / static_cast<double>(labels.size());
}

/// Loss, accuracy and probabilities of one pass.
struct Pass {
  double loss = 0;
  double accuracy = 0;
  std::vector<double> probabilities;
};

Pass run_pass(const Session& session, Context& ctx, const Tensor& pixels, const std::vector<std::int32_t>& labels) {
  const Var logits = session.network->forward(ctx, pixels);
  const Tensor sums = make_loss_sums(ctx.backend);
  const Loss loss = softmax_cross_entropy(ctx, logits, Tensor::from_labels(ctx.backend, labels), sums);
  const LossSums read = read_loss_sums(loss.sums);
  const auto images = static_cast<double>(labels.size());
  return {.loss = read.loss / images,
          .accuracy = static_cast<double>(read.correct) / images,
          .probabilities = loss.probabilities.to_doubles()};
}

nlohmann::json first_row(const Pass& pass, std::size_t images) {
  const auto classes = static_cast<std::ptrdiff_t>(pass.probabilities.size() / images);
  return std::vector<double>(pass.probabilities.begin(), pass.probabilities.begin() + classes);
}

/// Step-1 gradients by variable, and the norm of all of them together.
double summarise_gradients(const Network& network, std::map<std::string, std::vector<std::optional<double>>>* rows) {
  double squares = 0;
  for (const Parameter& parameter : network.parameters.all()) {
    const Tensor gradient = parameter.gradient();
    if (!gradient.defined()) continue;
    const auto row = summarise_variable(gradient.to_doubles());
    squares += *row[0] * *row[0];
    if (rows != nullptr) (*rows)[parameter.name()] = row;
  }
  return std::sqrt(squares);
}

TraceTable variable_table(const Network& network,
                          const std::map<std::string, std::vector<std::optional<double>>>& gradients) {
  TraceTable table{.kind = TraceKind::variables, .rows = {}};
  for (const LayerInfo& layer : network.layers.rows()) {
    for (const Parameter* parameter : layer.parameters) {
      TraceRow row{.name = parameter->name(), .values = {static_cast<double>(parameter->count())}};
      const auto found = gradients.find(parameter->name());
      const auto gradient = found == gradients.end() ? std::vector<std::optional<double>>(4) : found->second;
      const auto post = summarise_variable(parameter->value().to_doubles());
      row.values.insert(row.values.end(), gradient.begin(), gradient.end());
      row.values.insert(row.values.end(), post.begin(), post.end());
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

}  // namespace

TraceTable trace_layers(const Session& session, const Tensor& pixels) {
  std::map<std::string, std::vector<std::optional<double>>> seen;
  Context ctx = session.context();
  ctx.observer = [&seen](std::string_view layer, const Tensor& output, double scale) {
    std::vector<double> values = output.to_doubles();
    for (double& value : values) value *= scale;
    seen[std::string(layer)] = summarise_layer(values);
  };
  static_cast<void>(session.network->forward(ctx, pixels));
  TraceTable table{.kind = TraceKind::layers, .rows = {}};
  for (const LayerInfo& layer : session.network->layers.rows()) {
    const auto found = seen.find(layer.name);
    if (found == seen.end()) fail(ErrorKind::failed, "[trace] layer '{}' did not report its output", layer.name);
    table.rows.push_back({layer.name, found->second});
  }
  return table;
}

TrainingTrace trace_training(const Session& session, const Tensor& pixels, const std::vector<std::int32_t>& labels,
                             const TraceTraining& training) {
  Network& network = *session.network;
  const auto optimizer = make_adam();
  const std::vector<Parameter*> trainable = network.parameters.trainable();
  std::map<std::string, std::vector<std::optional<double>>> first_gradients;
  nlohmann::json steps = nlohmann::json::array();
  for (int step = 0; step < training.steps; ++step) {
    Tape tape;
    Context ctx = session.context();
    ctx.tape = &tape;
    ctx.training = true;
    ctx.step = static_cast<std::uint64_t>(step);
    const Pass pass = run_pass(session, ctx, pixels, labels);
    tape.backward();
    const double norm = summarise_gradients(network, step == 0 ? &first_gradients : nullptr);
    optimizer->step(trainable, training.lr);
    network.parameters.clear_gradients();
    steps.push_back({{"step", step + 1},
                     {"loss_clipped_probs", clipped_loss(pass.probabilities, labels)},
                     {"loss_from_logits", pass.loss},
                     {"acc", pass.accuracy},
                     {"grad_global_l2", norm},
                     {"probs_row0", first_row(pass, labels.size())}});
  }
  Context ctx = session.context();
  const Pass after = run_pass(session, ctx, pixels, labels);
  TrainingTrace trace;
  trace.report = {{"model", network.id},
                  {"size", network.size},
                  {"batch", labels.size()},
                  {"lr", training.lr},
                  {"n_trainable_tensors", trainable.size()},
                  {"n_trainable_params", network.parameters.trainable_count()},
                  {"steps", steps},
                  {"after_eval_loss_clipped_probs", clipped_loss(after.probabilities, labels)},
                  {"after_eval_loss_from_logits", after.loss},
                  {"after_eval_probs_row0", first_row(after, labels.size())}};
  trace.variables = variable_table(network, first_gradients);
  return trace;
}

}  // namespace thaw
