#include "kernels/cuda/norm_graph.h"

#include <array>
#include <unordered_map>

#include "kernels/cuda/cudnn_call.h"
#include "kernels/cuda/cudnn_graph.h"

namespace thaw::cuda {

namespace {

/// Names of the tensors that the caller provides.
enum Uid : std::int64_t {
  uid_x = 1,
  uid_gamma,
  uid_beta,
  uid_residual,
  uid_y,
  uid_mean,
  uid_inverse,
  uid_dy,
  uid_dx,
  uid_dresidual,
  uid_dgamma,
  uid_dbeta,
  uid_epsilon
};

Notes unwanted(const NormRequest& request) {
  using Note = fe::NumericalNote_t;
  Notes notes = {Note::DOWN_CONVERT_INPUTS, Note::REDUCED_PRECISION_REDUCTION};
  if (!request.fast) notes.push_back(Note::NONDETERMINISTIC);
  return notes;
}

/// The graph of a request. cuDNN knows these by their whole pattern: another order or type of nodes has no engine.
class NormGraph : public PlannedGraph {
 public:
  explicit NormGraph(const NormRequest& request) : p_(request.problem) {
    set_io_data_type(type_of(p_.dtype));
    set_intermediate_data_type(fe::DataType_t::FLOAT);
    set_compute_data_type(fe::DataType_t::FLOAT);
    if (request.direction == NormDirection::forward) {
      write_forward();
    } else {
      write_backward();
    }
  }

 private:
  [[nodiscard]] Dims rows() const { return {1, p_.c, p_.rows, 1}; }
  [[nodiscard]] Dims channels() const { return {1, p_.c, 1, 1}; }
  TensorRef row_input(const char* name, Uid uid) { return input(name, uid, rows(), p_.dtype); }
  TensorRef channel_input(const char* name, Uid uid) { return input(name, uid, channels(), Dtype::f32); }

  static void output(const TensorRef& out, Uid uid, Dtype dtype) {
    out->set_output(true).set_uid(uid).set_data_type(type_of(dtype));
  }

  TensorRef apply(fe::PointwiseMode_t mode, const TensorRef& a, const TensorRef& b) {
    return pointwise(a, b, fe::graph::Pointwise_attributes().set_mode(mode));
  }

  void write_forward() {
    const TensorRef x = row_input("x", uid_x);
    TensorRef epsilon = tensor(fe::graph::Tensor_attributes()
                                   .set_name("epsilon")
                                   .set_uid(uid_epsilon)
                                   .set_dim({1, 1, 1, 1})
                                   .set_stride({1, 1, 1, 1})
                                   .set_data_type(fe::DataType_t::FLOAT)
                                   .set_is_pass_by_value(true));
    auto options = fe::graph::Batchnorm_attributes().set_epsilon(epsilon);
    const TensorRef gamma = channel_input("gamma", uid_gamma);
    const TensorRef beta = channel_input("beta", uid_beta);
    const auto normed = batchnorm(x, gamma, beta, options);
    output(normed[1], uid_mean, Dtype::f32);
    output(normed[2], uid_inverse, Dtype::f32);
    TensorRef y = normed[0];
    if (p_.residual) y = apply(fe::PointwiseMode_t::ADD, y, row_input("residual", uid_residual));
    if (p_.act == Act::relu) {
      y = pointwise(y, fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::RELU_FWD));
    }
    output(y, uid_y, p_.dtype);
  }

  void write_backward() {
    const TensorRef x = row_input("x", uid_x);
    const TensorRef gamma = channel_input("gamma", uid_gamma);
    const TensorRef mean = channel_input("mean", uid_mean);
    const TensorRef inverse = channel_input("inverse", uid_inverse);
    TensorRef g = row_input("dy", uid_dy);
    if (p_.residual) {
      g = behind_residual(g);
    } else if (p_.act == Act::relu) {
      const TensorRef beta = channel_input("beta", uid_beta);
      const TensorRef z =
          batchnorm_inference(x, mean, inverse, gamma, beta, fe::graph::Batchnorm_inference_attributes());
      g = apply(fe::PointwiseMode_t::RELU_BWD, g, z);
      g->set_data_type(type_of(p_.dtype));  // dy or zero: no bit is lost
    }
    const auto gradients = batchnorm_backward(
        g, x, gamma, fe::graph::Batchnorm_backward_attributes().set_saved_mean_and_inv_variance(mean, inverse));
    output(gradients[0], uid_dx, p_.dtype);
    output(gradients[1], uid_dgamma, Dtype::f32);
    output(gradients[2], uid_dbeta, Dtype::f32);
  }

  /// The ReLU's derivative is read off the output, and the residual gets what the norm gets.
  TensorRef behind_residual(const TensorRef& dy) {
    const TensorRef zero = tensor(fe::graph::Tensor_attributes(0.0F));
    const TensorRef passes = apply(fe::PointwiseMode_t::CMP_GT, row_input("y", uid_y), zero);
    passes->set_data_type(fe::DataType_t::BOOLEAN);
    TensorRef g = apply(fe::PointwiseMode_t::MUL, dy, passes);
    output(g, uid_dresidual, p_.dtype);
    return g;
  }

  NormProblem p_;
};

/// A plan of a graph. Graphs are shared by the plans that were made of them.
class CudnnNormPlan : public NormPlan {
 public:
  CudnnNormPlan(NormPlanFacts facts, std::shared_ptr<const NormGraph> graph, std::int64_t index, std::string request)
      : NormPlan(std::move(facts)), graph_(std::move(graph)), index_(index), request_(std::move(request)) {}

  void execute(cudnnContext* handle, const NormPointers& pointers, void* workspace) const override {
    float epsilon = pointers.epsilon;
    const std::array<std::pair<Uid, const void*>, 12> all = {{{uid_x, pointers.x},
                                                              {uid_gamma, pointers.gamma},
                                                              {uid_beta, pointers.beta},
                                                              {uid_residual, pointers.residual},
                                                              {uid_y, pointers.y},
                                                              {uid_mean, pointers.mean},
                                                              {uid_inverse, pointers.inverse},
                                                              {uid_dy, pointers.dy},
                                                              {uid_dx, pointers.dx},
                                                              {uid_dresidual, pointers.dresidual},
                                                              {uid_dgamma, pointers.dgamma},
                                                              {uid_dbeta, pointers.dbeta}}};
    std::unordered_map<std::int64_t, void*> pack;
    if (pointers.dy == nullptr) pack.emplace(uid_epsilon, &epsilon);
    // The front end takes inputs without const; it does not write to them.
    for (const auto& [uid, pointer] : all) {
      if (pointer != nullptr) pack.emplace(uid, const_cast<void*>(pointer));
    }
    fe::error_t status = graph_->execute_plan_at_index(handle, pack, workspace, index_);
    if (status.is_bad()) fail_cudnn("execution of " + facts().engine, request_, status.get_message());
  }

 private:
  std::shared_ptr<const NormGraph> graph_;
  std::int64_t index_;
  std::string request_;
};

}  // namespace

struct CudnnNormPlanner::Target : PlanTarget {};

CudnnNormPlanner::CudnnNormPlanner(cudnnContext* handle, std::string device)
    : device_(std::move(device)), target_(std::make_unique<Target>()) {
  target_->handle = handle;
}

CudnnNormPlanner::CudnnNormPlanner(const DeviceFile& device)
    : device_(device.name), target_(std::make_unique<Target>(PlanTarget::described(device))) {}

CudnnNormPlanner::~CudnnNormPlanner() = default;

std::string CudnnNormPlanner::version() const { return cudnn_version(); }

std::string CudnnNormPlanner::for_each_plan(const NormRequest& request, std::string_view engine, const Use& use) {
  if (!request.expressible()) return "this form is not asked of cuDNN";
  std::string reason;
  for (const auto mode : {fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}) {
    const auto graph = std::make_shared<NormGraph>(request);
    const fe::error_t prepared =
        target_->prepare(*graph, mode, unwanted(request), std::numeric_limits<std::int64_t>::max());
    if (prepared.is_bad() && reason.empty()) reason = reason_of(prepared);
    for (std::int64_t i = 0; prepared.is_good() && i < graph->get_execution_plan_count(); ++i) {
      NormPlanFacts facts{.engine = graph->name_at(i)};
      if ((!engine.empty() && facts.engine != engine) || graph->left_out(i)) continue;
      EngineFacts own;
      if (const fe::error_t built = graph->build(i, finish, own); built.is_bad()) {
        if (reason.empty()) reason = reason_of(built);
        continue;
      }
      facts.workspace_bytes = own.workspace_bytes;
      facts.notes = std::move(own.notes);
      if (!use(std::make_shared<CudnnNormPlan>(std::move(facts), graph, i, request.text()))) return reason;
    }
  }
  return reason;
}

}  // namespace thaw::cuda
