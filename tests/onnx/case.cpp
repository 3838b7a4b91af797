#include "tests/onnx/case.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "kernels/error.h"
#include "tests/models/counting_backend.h"
#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

namespace fs = std::filesystem;

/// Every op that is not `no_such_op`. Gradient has its own way through a model.
const Adapters& adapters() {
  static const Adapters all = [] {
    Adapters out;
    for (const auto& family :
         {conv_adapters(), pool_adapters(), norm_adapters(), dense_adapters(), pointwise_adapters(), loss_adapters(),
          optimizer_adapters(), shape_adapters(), reduce_adapters(), move_adapters()}) {
      out.insert(family.begin(), family.end());
    }
    return out;
  }();
  return all;
}

bool is_gradient(const Node& node) { return node.op == "Gradient"; }

bool has_gradient(const Model& model) { return std::any_of(model.nodes.begin(), model.nodes.end(), is_gradient); }

/// Walks through the nodes in order (ONNX lists them so), keeping every array by its name.
class Interpreter {
 public:
  Interpreter(Context& ctx, const Model& model, const std::vector<Array>& inputs)
      : ctx_(&ctx), model_(&model), arrays_(model.initializers) {
    for (std::size_t i = 0; i < inputs.size(); ++i) arrays_[model.inputs.at(i)] = inputs[i];
  }

  void run(const Node& node) {
    Call call{.ctx = *ctx_, .node = node, .opset = model_->opset, .inputs = {}};
    for (const std::string& name : node.inputs) call.inputs.push_back(name.empty() ? Array() : at(name));
    const Outputs outputs = adapters().at(node.op)(call);
    for (std::size_t i = 0; i < outputs.size() && i < node.outputs.size(); ++i) arrays_[node.outputs[i]] = outputs[i];
  }

  [[nodiscard]] const Array& at(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) fail(ErrorKind::data, "[onnx] no node gives '{}'", name);
    return found->second;
  }

  [[nodiscard]] std::vector<Array> outputs() const {
    std::vector<Array> out;
    for (const std::string& name : model_->outputs) out.push_back(at(name));
    return out;
  }

 private:
  Context* ctx_;
  const Model* model_;
  std::map<std::string, Array> arrays_;
};

std::vector<Array> inputs_of(const Case& c, const Model& model) {
  std::vector<Array> out;
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    const std::string path = fmt::format("{}/test_data_set_0/input_{}.pb", c.folder, i);
    // An optional input that the case leaves out has no file.
    out.push_back(fs::exists(path) ? data_of(c, "input", i) : Array());
    const bool bits = out.back().element == Element::u16 && model.declared.at(model.inputs[i]) == Element::bf16;
    if (bits) out.back() = as_bf16(std::move(out.back()));
  }
  return out;
}

bool beyond_f32(const std::vector<Array>& inputs) {
  return std::any_of(inputs.begin(), inputs.end(), [](const Array& a) {
    return std::any_of(a.values.begin(), a.values.end(), [](double v) {
      return std::isfinite(v) && std::abs(v) > static_cast<double>(std::numeric_limits<float>::max());
    });
  });
}

/// Which op a runnable model tests, and NotApplicable on the way where a node is not thaw's.
Verdict walk(const Case& c, const Model& model) {
  Context ctx;
  ctx.backend = std::make_shared<CountingBackend>();
  const std::vector<Array> inputs = inputs_of(c, model);
  if (has_gradient(model)) {
    static_cast<void>(run_gradient(ctx, model, inputs));
    return {.op = "Gradient"};
  }
  static const Adapters moves = move_adapters();
  Interpreter interpreter(ctx, model, inputs);
  Verdict verdict{.beyond_f32 = beyond_f32(inputs)};
  for (const Node& node : model.nodes) {
    try {
      interpreter.run(node);
    } catch (const NotApplicable& not_applicable) {
      return {.kind = Verdict::Kind::not_applicable, .op = node.op, .reason = not_applicable.reason};
    }
    if (verdict.op.empty() && moves.count(node.op) == 0) verdict.op = node.op;
  }
  if (verdict.op.empty()) {
    return {.kind = Verdict::Kind::not_applicable,
            .op = model.nodes.front().op,
            .reason = "moves numbers only: layout is turned at thaw's edges"};
  }
  return verdict;
}

}  // namespace

std::string cases_folder() {
  const char* folder = std::getenv("THAW_ONNX_CASES");
  return folder != nullptr ? folder : "/usr/share/libonnx-testdata/data";
}

std::vector<Case> find_cases() {
  std::vector<Case> out;
  std::error_code none;
  for (const auto& suite : fs::directory_iterator(cases_folder(), none)) {
    if (!suite.is_directory()) continue;
    for (const auto& entry : fs::directory_iterator(suite.path())) {
      const std::string name = entry.path().filename().string();
      out.push_back({.suite = suite.path().filename().string(),
                     .name = name.starts_with("test_") ? name.substr(5) : name,
                     .folder = entry.path().string()});
    }
  }
  std::sort(out.begin(), out.end(), [](const Case& a, const Case& b) { return a.text() < b.text(); });
  return out;
}

Model model_of(const Case& c) {
  const std::string path = c.folder + "/model.onnx";
  return parse_model(read_file(path), path);
}

Array data_of(const Case& c, const std::string& kind, std::size_t i) {
  const std::string path = fmt::format("{}/test_data_set_0/{}_{}.pb", c.folder, kind, i);
  return parse_tensor(read_file(path), path);
}

Verdict judge(const Case& c) {
  const auto listed = [](const char* op, const char* reason) {
    return Verdict{.kind = Verdict::Kind::not_applicable, .op = op, .reason = reason};
  };
  if (!fs::exists(c.folder + "/model.onnx")) return listed("(a network)", "the package has only a link to the model");
  if (c.name.ends_with("_expanded")) {
    return listed("(expanded)", "the numbers of the case without the suffix, as a graph of primitives");
  }
  const Model model = model_of(c);
  for (const Node& node : model.nodes) {
    if (adapters().count(node.op) == 0 && !is_gradient(node)) {
      return {.kind = Verdict::Kind::no_such_op, .op = node.op, .reason = ""};
    }
  }
  return walk(c, model);
}

std::vector<Array> run_case(Context& ctx, const Case& c) {
  const Model model = model_of(c);
  const std::vector<Array> inputs = inputs_of(c, model);
  if (has_gradient(model)) return run_gradient(ctx, model, inputs);
  Interpreter interpreter(ctx, model, inputs);
  for (const Node& node : model.nodes) interpreter.run(node);
  return interpreter.outputs();
}

}  // namespace thaw::test
