#include "kernels/cuda/conv_graph.h"

// An engine of the front end that no convolution uses calls NVRTC. Its calls alone are looked up at run time, so that
// the program need not be linked to NVRTC; cuDNN itself is linked.
// clang-format off
#include <cstring>
#include <cudnn.h>
#include <dlfcn.h>
#include <cudnn_frontend_shim.h>
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
using HMODULE = void*;
#include <cudnn_frontend/experimental/nvrtc_shim.h>
#undef NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#include <cudnn_frontend.h>
// clang-format on

#include <algorithm>
#include <array>
#include <unordered_map>

#include "kernels/cuda/cudnn_call.h"
#include "kernels/error.h"

namespace thaw::cuda {

namespace {

namespace fe = cudnn_frontend;

using TensorRef = std::shared_ptr<fe::graph::Tensor_attributes>;

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

fe::DataType_t type_of(Dtype dtype) { return dtype == Dtype::bf16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::FLOAT; }

/// cuDNN counts dimensions as (N,C,H,W) and learns of NHWC by the strides.
std::vector<std::int64_t> nhwc_strides(const std::vector<std::int64_t>& dims) {
  return {dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]};
}

std::string_view text_of(fe::NumericalNote_t note) {
  using Note = fe::NumericalNote_t;
  switch (note) {
    case Note::TENSOR_CORE: return "tensor cores";
    case Note::DOWN_CONVERT_INPUTS: return "down-converted inputs";
    case Note::REDUCED_PRECISION_REDUCTION: return "reduced-precision sums";
    case Note::FFT: return "FFT";
    case Note::NONDETERMINISTIC: return "nondeterministic";
    case Note::WINOGRAD: return "Winograd";
    case Note::WINOGRAD_TILE_4x4: return "Winograd 4x4";
    case Note::WINOGRAD_TILE_6x6: return "Winograd 6x6";
    case Note::WINOGRAD_TILE_13x13: return "Winograd 13x13";
    default: return "";
  }
}

/// Notes of engines that the rules keep out. Inputs are never rounded further than their type, nor sums kept in bf16.
std::vector<fe::NumericalNote_t> unwanted(const ConvRequest& request) {
  using Note = fe::NumericalNote_t;
  std::vector<Note> notes = {Note::DOWN_CONVERT_INPUTS, Note::REDUCED_PRECISION_REDUCTION};
  if (request.problem.dtype == Dtype::f32 && !request.rules.tf32) notes.push_back(Note::TENSOR_CORE);
  if (!request.rules.fast) {
    notes.insert(notes.end(), {Note::NONDETERMINISTIC, Note::WINOGRAD_TILE_6x6, Note::WINOGRAD_TILE_13x13});
  }
  return notes;
}

/// The graph of a request in one form. Sums and what lies between nodes are f32.
class ConvGraph : public fe::graph::Graph {
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

  /// Leaves out engines with one of these notes, or with too large a workspace.
  void deselect(const std::vector<fe::NumericalNote_t>& notes, std::int64_t workspace_limit) {
    deselect_numeric_notes(notes);
    deselect_workspace_greater_than(workspace_limit);
    left_ = plans.get_barred_engine_configs();  // those that are not barred, whatever it is called
    position_.clear();
    std::size_t left = 0;
    for (const auto& own : plans.numeric_notes) {
      const bool barred = std::find_first_of(own.begin(), own.end(), notes.begin(), notes.end()) != own.end();
      position_.push_back(barred ? left_.size() : left++);
    }
  }

  [[nodiscard]] bool left_out(std::int64_t index) const {
    return position_[static_cast<std::size_t>(index)] == left_.size();
  }

  /// Makes the plan at a position of the heuristics' list, or only asks its engine, and learns what it takes.
  fe::error_t build(std::int64_t index, bool finish, ConvPlanFacts& facts) {
    const auto i = static_cast<std::size_t>(index);
    std::int64_t workspace = 0;
    fe::error_t status = finish ? build_plan_at_index(index) : plans.check_support_at_index(index);
    if (status.is_good()) {
      status = finish ? get_workspace_size_plan_at_index(index, workspace)
                      : fe::detail::get_workspace_size(left_.at(position_[i]), workspace);
    }
    if (status.is_bad()) return status;
    facts.workspace_bytes = static_cast<std::size_t>(workspace);
    for (const auto note : plans.numeric_notes[i]) {
      if (const std::string_view text = text_of(note); !text.empty()) facts.notes.emplace_back(text);
    }
    return status;
  }

 private:
  using Dims = std::vector<std::int64_t>;

  [[nodiscard]] Dims x_dims() const { return {p_.n, p_.c, p_.h, p_.w}; }
  [[nodiscard]] Dims w_dims() const { return {p_.k, p_.c / p_.groups, p_.r, p_.s}; }
  [[nodiscard]] Dims y_dims() const { return {p_.n, p_.k, p_.p(), p_.q()}; }

  TensorRef input(const char* name, Uid uid, const Dims& dims, Dtype dtype) {
    return tensor(fe::graph::Tensor_attributes()
                      .set_name(name)
                      .set_uid(uid)
                      .set_dim(dims)
                      .set_stride(nhwc_strides(dims))
                      .set_data_type(type_of(dtype)));
  }

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
  fe::EngineConfigList left_;          // engines that were not left out
  std::vector<std::size_t> position_;  // of each engine in there
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

std::string engine_name(const ConvGraph& graph, const Form& form, std::int64_t index) {
  std::string name;
  const fe::error_t status = graph.get_plan_name_at_index(index, name);
  return fmt::format("{}:{}", form.name, status.is_good() ? name : fmt::format("plan {}", index));
}

/// The first line of cuDNN's explanation, as the end of a sentence.
std::string reason_of(fe::error_t status) {
  const std::string text = status.get_message();
  return text.substr(0, text.find('\n'));
}

}  // namespace

/// What plans are made for: a handle, or the properties of a device that is not there.
struct CudnnPlanner::Target {
  cudnnHandle_t handle = nullptr;
  std::shared_ptr<const fe::DeviceProperties> properties = {};
  int sm = 0;

  /// Asks the heuristics for the graph's engines and leaves out those that the rules do not want.
  fe::error_t prepare(ConvGraph& graph, const ConvRequest& request, fe::HeurMode_t mode,
                      std::int64_t workspace_limit) const {
    if (properties != nullptr) graph.set_device_properties(properties).set_sm_version(sm);
    fe::error_t status = graph.validate();
    if (status.is_good()) status = graph.build_operation_graph(handle);
    if (status.is_good()) status = graph.create_execution_plans({mode});
    if (status.is_good()) graph.deselect(unwanted(request), workspace_limit);
    return status;
  }
};

CudnnPlanner::CudnnPlanner(cudnnContext* handle, std::string device)
    : device_(std::move(device)), target_(std::make_unique<Target>()) {
  target_->handle = handle;
}

CudnnPlanner::CudnnPlanner(const DeviceFile& device) : device_(device.name), target_(std::make_unique<Target>()) {
  const auto properties = std::make_shared<fe::DeviceProperties>();
  const fe::error_t status = properties->deserialize({device.json.begin(), device.json.end()});
  if (status.is_bad()) {
    fail(ErrorKind::data,
         "cuDNN does not take the description of {}: {}; CUDNN_LOGLEVEL_DBG=2 shows which key it misses", device.name,
         reason_of(status));
  }
  target_->properties = properties;
  target_->sm = device.sm;
}

CudnnPlanner::~CudnnPlanner() = default;

std::string CudnnPlanner::version() const {
  const std::size_t version = cudnnGetVersion();
  return fmt::format("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::string CudnnPlanner::for_each_plan(const ConvRequest& request, std::string_view engine, const Use& use) {
  std::string reason;
  const auto because = [&reason](const std::string& why) {
    if (reason.empty()) reason = why;
  };
  for (const Attempt& attempt : attempts_of(request)) {
    const Form& form = attempt.form;
    if (!engine.empty() && !engine.starts_with(fmt::format("{}:", form.name))) continue;
    const auto graph = std::make_shared<ConvGraph>(request, form);
    const fe::error_t prepared = target_->prepare(*graph, request, attempt.mode, workspace_limit);
    if (prepared.is_bad()) because(reason_of(prepared));
    for (std::int64_t i = 0; prepared.is_good() && i < graph->get_execution_plan_count(); ++i) {
      ConvPlanFacts facts{.engine = engine_name(*graph, form, i), .whole = form.whole, .output = form.output};
      if (!engine.empty() && facts.engine != engine) continue;
      if (graph->left_out(i)) continue;
      if (const fe::error_t built = graph->build(i, finish, facts); built.is_bad()) {
        because(reason_of(built));
      } else if (!use(std::make_shared<CudnnPlan>(std::move(facts), graph, i, request.text()))) {
        return reason;
      }
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
