#include "kernels/error.h"
#include "tests/onnx/adapter.h"
#include "tests/onnx/case.h"

namespace thaw::test {

namespace {

/// Every value of a model with one number each, as pictures of one pixel, so that sums and products are thaw's ops.
using Vars = std::map<std::string, Var>;

constexpr std::int64_t kOne = 1;

Var forward(Context& ctx, const Node& node, const Vars& vars) {
  const Var& a = vars.at(node.inputs.at(0));
  const Var& b = vars.at(node.inputs.at(1));
  if (node.op == "Add") return add(ctx, a, b);
  need(node.op == "Mul", "the gradient of {}", node.op);
  return scale_channels(ctx, a, b);
}

}  // namespace

std::vector<Array> run_gradient(Context& ctx, const Model& model, const std::vector<Array>& inputs) {
  Tape tape;
  ctx.tape = &tape;
  Vars vars;
  std::map<std::string, Array> out;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    need(inputs[i].count() == 1, "the gradient of more than one number");
    const Array pixel = reshaped(inputs[i], {kOne, kOne, kOne, kOne});
    vars[model.inputs.at(i)] = Var(activations(ctx, pixel).value(), std::make_shared<Gradient>());
  }
  for (const Node& node : model.nodes) {
    if (node.op != "Gradient") {
      vars[node.outputs.at(0)] = forward(ctx, node, vars);
      out[node.outputs.at(0)] = to_host(vars[node.outputs.at(0)].value(), {});
      continue;
    }
    const Var& y = vars.at(node.text("y", ""));
    y.gradient()->value =
        activations(ctx, {.element = Element::f32, .shape = y.shape().to_vector(), .values = {1.0}}).value();
    tape.backward();
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      out[node.outputs[i]] = to_host(vars.at(node.inputs.at(i)).gradient()->value, {});
    }
  }
  ctx.tape = nullptr;
  std::vector<Array> outputs;
  for (const std::string& name : model.outputs) {
    if (out.count(name) == 0) fail(ErrorKind::data, "[onnx] no node gives '{}'", name);
    outputs.push_back(out[name]);
  }
  return outputs;
}

}  // namespace thaw::test
