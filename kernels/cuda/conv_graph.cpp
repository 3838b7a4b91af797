#include "kernels/cuda/conv_graph.h"

#include <array>
#include <unordered_map>

#include "kernels/cuda/cudnn_call.h"
#include "kernels/cuda/cudnn_graph.h"

namespace thaw::cuda {

namespace {

/// Names of the tensors that the caller provides.
enum Uid : std::int64_t { uid_x = 1, uid_w, uid_dy, uid_bias, uid_residual, uid_out };

/// One way to write a request as a graph.
struct Form {
  std::string_view name;
  bool whole = true;
  Dtype output = Dtype::f32;
};

/// Forms of a request, the one that saves the caller most work first.
std::vector<Form> forms_of(const ConvRequest& request) {
  const ConvProblem& p = request.problem;
  if (request.direction == ConvDirection::data) return {{"whole", true, p.dtype}};
  if (request.direction == ConvDirection::filter) {
    std::vector<Form> forms = {{"whole", true, Dtype::f32}};
    if (p.dtype != Dtype::f32) forms.push_back({name_of(p.dtype), true, p.dtype});
    return forms;
  }
  std::vector<Form> forms = {{"whole", true, p.dtype}};
  if (p.bias || p.residual || p.act != Act::linear) forms.push_back({"bare", false, p.dtype});
  return forms;
}

/// A form, and where its engines come from.
struct Attempt {
  Form form;
  fe::HeurMode_t mode = fe::HeurMode_t::A;
};

/// Engines that the heuristics recommend for any form come before those that merely can: a generic engine that fuses
/// everything is slower than a good one with an epilogue behind it.
std::vector<Attempt> attempts_of(const ConvRequest& request) {
  std::vector<Attempt> attempts;
  for (const auto mode : {fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}) {
    for (const Form& form : forms_of(request)) attempts.push_back({form, mode});
  }
  return attempts;
}

/// Notes of engines that the rules keep out. Inputs are never rounded further than their type, nor sums kept in bf16.
Notes unwanted(const ConvRequest& request) {
  using Note = fe::NumericalNote_t;
  Notes notes = {Note::DOWN_CONVERT_INPUTS, Note::REDUCED_PRECISION_REDUCTION};
  if (request.problem.dtype == Dtype::f32 && !request.rules.tf32) notes.push_back(Note::TENSOR_CORE);
  if (!request.rules.fast) {
    notes.insert(notes.end(), {Note::NONDETERMINISTIC, Note::WINOGRAD_TILE_6x6, Note::WINOGRAD_TILE_13x13});
  }
  return notes;
}

/// The graph of a request in one form. Sums and what lies between nodes are f32.
class ConvGraph : public PlannedGraph {
 public:
  ConvGraph(const ConvRequest& request, const Form& form) : p_(request.problem) {
    set_io_data_type(type_of(p_.dtype));
    set_intermediate_data_type(fe::DataType_t::FLOAT);
    set_compute_data_type(fe::DataType_t::FLOAT);
    switch (request.direction) {
      case ConvDirection::forward: write_forward(form); break;
      case ConvDirection::data: write_data(form); break;
      case ConvDirection::filter: write_filter(form); break;
    }
  }

 private:
  [[nodiscard]] Dims x_dims() const { return {p_.n, p_.c, p_.h, p_.w}; }
  [[nodiscard]] Dims w_dims() const { return {p_.k, p_.c / p_.groups, p_.r, p_.s}; }
  [[nodiscard]] Dims y_dims() const { return {p_.n, p_.k, p_.p(), p_.q()}; }

  static void output(const TensorRef& out, const Dims& dims, Dtype dtype) {
    out->set_output(true).set_uid(uid_out).set_dim(dims).set_stride(nhwc_strides(dims)).set_data_type(type_of(dtype));
  }

  template <class Attributes>
  [[nodiscard]] Attributes convolution() const {
    return Attributes()
        .set_pre_padding({p_.pad.top, p_.pad.left})
        .set_post_padding({p_.pad.bottom, p_.pad.right})
        .set_stride({p_.stride, p_.stride})
        .set_dilation({1, 1});
  }

  TensorRef apply(fe::PointwiseMode_t mode, const TensorRef& a, const TensorRef& b) {
    return pointwise(a, b, fe::graph::Pointwise_attributes().set_mode(mode));
  }
  TensorRef apply(fe::PointwiseMode_t mode, const TensorRef& a, float b) { return apply(mode, a, constant(b)); }
  TensorRef constant(float value) { return tensor(fe::graph::Tensor_attributes(value)); }

  TensorRef relu(const TensorRef& x) {
    return pointwise(x, fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::RELU_FWD));
  }
  TensorRef relu6(const TensorRef& x) {
    return pointwise(
        x, fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::RELU_FWD).set_relu_upper_clip(6.0F));
  }

  TensorRef activate(const TensorRef& x) {
    using Mode = fe::PointwiseMode_t;
    switch (p_.act) {
      case Act::linear: return x;
      case Act::relu: return relu(x);
      case Act::relu6: return relu6(x);
      case Act::hard_sigmoid: return apply(Mode::MUL, relu6(apply(Mode::ADD, x, 3.0F)), 1.0F / 6.0F);
      case Act::hard_swish: return apply(Mode::MUL, apply(Mode::MUL, relu6(apply(Mode::ADD, x, 3.0F)), x), 1.0F / 6.0F);
    }
    return x;
  }

  void write_forward(const Form& form) {
    const TensorRef x = input("x", uid_x, x_dims(), p_.dtype);
    const TensorRef w = input("w", uid_w, w_dims(), p_.dtype);
    TensorRef y = conv_fprop(x, w, convolution<fe::graph::Conv_fprop_attributes>());
    if (form.whole) {
      using Mode = fe::PointwiseMode_t;
      if (p_.bias) y = apply(Mode::ADD, y, input("bias", uid_bias, {1, p_.k, 1, 1}, Dtype::f32));
      if (p_.residual) y = apply(Mode::ADD, y, input("residual", uid_residual, y_dims(), p_.dtype));
      y = activate(y);
    }
    output(y, y_dims(), form.output);
  }

  void write_data(const Form& form) {
    const TensorRef dy = input("dy", uid_dy, y_dims(), p_.dtype);
    const TensorRef w = input("w", uid_w, w_dims(), p_.dtype);
    output(conv_dgrad(dy, w, convolution<fe::graph::Conv_dgrad_attributes>()), x_dims(), form.output);
  }

  void write_filter(const Form& form) {
    const TensorRef dy = input("dy", uid_dy, y_dims(), p_.dtype);
    const TensorRef x = input("x", uid_x, x_dims(), p_.dtype);
    output(conv_wgrad(dy, x, convolution<fe::graph::Conv_wgrad_attributes>()), w_dims(), form.output);
  }

  ConvProblem p_;
};

/// A plan of a graph. Graphs are shared by the plans that were made of them.
class CudnnPlan : public ConvPlan {
 public:
  CudnnPlan(ConvPlanFacts facts, std::shared_ptr<const ConvGraph> graph, std::int64_t index, std::string request)
      : ConvPlan(std::move(facts)), graph_(std::move(graph)), index_(index), request_(std::move(request)) {}

  void execute(cudnnContext* handle, const ConvPointers& pointers, void* workspace) const override {
    const std::array<std::pair<Uid, const void*>, 6> all = {{{uid_x, pointers.x},
                                                             {uid_w, pointers.w},
                                                             {uid_dy, pointers.dy},
                                                             {uid_bias, pointers.bias},
                                                             {uid_residual, pointers.residual},
                                                             {uid_out, pointers.out}}};
    std::unordered_map<std::int64_t, void*> pack;
    // The front end takes inputs without const; it does not write to them.
    for (const auto& [uid, pointer] : all) {
      if (pointer != nullptr) pack.emplace(uid, const_cast<void*>(pointer));
    }
    fe::error_t status = graph_->execute_plan_at_index(handle, pack, workspace, index_);
    if (status.is_bad()) fail_cudnn("execution of " + facts().engine, request_, status.get_message());
  }

 private:
  std::shared_ptr<const ConvGraph> graph_;
  std::int64_t index_;
  std::string request_;
};

}  // namespace

struct CudnnPlanner::Target : PlanTarget {};

CudnnPlanner::CudnnPlanner(cudnnContext* handle, std::string device)
    : device_(std::move(device)), target_(std::make_unique<Target>()) {
  target_->handle = handle;
}

CudnnPlanner::CudnnPlanner(const DeviceFile& device)
    : device_(device.name), target_(std::make_unique<Target>(PlanTarget::described(device))) {}

CudnnPlanner::~CudnnPlanner() = default;

std::string CudnnPlanner::version() const { return cudnn_version(); }

std::string CudnnPlanner::for_each_plan(const ConvRequest& request, std::string_view engine, const Use& use) {
  std::string reason;
  const auto because = [&reason](const std::string& why) {
    if (reason.empty()) reason = why;
  };
  for (const Attempt& attempt : attempts_of(request)) {
    const Form& form = attempt.form;
    if (!engine.empty() && !engine.starts_with(fmt::format("{}:", form.name))) continue;
    const auto graph = std::make_shared<ConvGraph>(request, form);
    const fe::error_t prepared = target_->prepare(*graph, attempt.mode, unwanted(request), workspace_limit);
    if (prepared.is_bad()) because(reason_of(prepared));
    for (std::int64_t i = 0; prepared.is_good() && i < graph->get_execution_plan_count(); ++i) {
      ConvPlanFacts facts{
          .engine = fmt::format("{}:{}", form.name, graph->name_at(i)), .whole = form.whole, .output = form.output};
      if (!engine.empty() && facts.engine != engine) continue;
      if (graph->left_out(i)) continue;
      EngineFacts own;
      if (const fe::error_t built = graph->build(i, finish, own); built.is_bad()) {
        because(reason_of(built));
        continue;
      }
      facts.workspace_bytes = own.workspace_bytes;
      facts.notes = std::move(own.notes);
      if (!use(std::make_shared<CudnnPlan>(std::move(facts), graph, i, request.text()))) return reason;
    }
  }
  return reason;
}

std::string dump_device(cudnnContext* handle) {
  fe::DeviceProperties properties;
  std::vector<std::uint8_t> json;
  fe::error_t status = properties.set_handle(handle).build();
  if (status.is_good()) status = properties.serialize(json);
  if (status.is_bad()) fail_cudnn("the description of the device", "this GPU", reason_of(status));
  return {json.begin(), json.end()};
}

}  // namespace thaw::cuda
