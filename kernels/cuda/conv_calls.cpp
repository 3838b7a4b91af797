#include "kernels/cuda/conv_calls.h"

#include <algorithm>

#include "kernels/error.h"

namespace thaw::cuda {

namespace {

/// A filter in the activations' type: the caller's own where it has that type, else a cast copy.
class CastFilter {
 public:
  CastFilter(ConvServices& services, const ConvProblem& problem, const void* w, Dtype dtype)
      : scratch_(services, dtype == problem.dtype ? 0 : bytes_of(problem)), filter_(w) {
    if (scratch_.get() == nullptr) return;
    services.cast(dtype, problem.dtype, problem.filter_size(), w, scratch_.get());
    filter_ = scratch_.get();
  }
  [[nodiscard]] const void* get() const { return filter_; }

 private:
  static std::size_t bytes_of(const ConvProblem& problem) {
    return static_cast<std::size_t>(problem.filter_size()) * size_of(problem.dtype);
  }
  Scratch scratch_;
  const void* filter_;
};

void require_dense(const ConvProblem& problem, std::string_view call) {
  if (problem.depthwise()) {
    fail(ErrorKind::device, "[{}] {} is depthwise, whose filters (R,S,C) cuDNN does not take; own kernels compute it",
         call, problem.text());
  }
}

}  // namespace

CudaConvs::CudaConvs(cudnnContext* handle, ConvServices& services, std::unique_ptr<ConvPlanner> planner,
                     ConvPlanOptions options)
    : handle_(handle), services_(services), plans_(std::move(planner), std::move(options)) {}

void CudaConvs::forward(const ConvProblem& problem, const ConvForward& args, Dtype w) {
  require_dense(problem, "conv_forward");
  const ConvPlan& plan = plans_.find(problem, ConvDirection::forward);
  const CastFilter filter(services_, problem, args.w, w);
  const ConvRequest request{.problem = problem, .direction = ConvDirection::forward, .rules = {}};
  run(request, plan,
      {.x = args.x,
       .w = filter.get(),
       .bias = problem.bias ? args.bias : nullptr,
       .residual = problem.residual ? args.residual : nullptr,
       .out = args.y});
}

void CudaConvs::backward_data(const ConvProblem& problem, const void* w_data, const void* dy, void* dx, Dtype w) {
  require_dense(problem, "conv_backward_data");
  const ConvPlan& plan = plans_.find(problem, ConvDirection::data);
  const CastFilter filter(services_, problem, w_data, w);
  const ConvRequest request{.problem = problem, .direction = ConvDirection::data, .rules = {}};
  run(request, plan, {.w = filter.get(), .dy = dy, .out = dx});
}

void CudaConvs::backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw) {
  require_dense(problem, "conv_backward_filter");
  const ConvPlan& plan = plans_.find(problem, ConvDirection::filter);
  const ConvRequest request{.problem = problem, .direction = ConvDirection::filter, .rules = {}};
  run(request, plan, {.x = x, .dy = dy, .out = dw});
}

void CudaConvs::run(const ConvRequest& request, const ConvPlan& plan, const ConvPointers& pointers) {
  const ConvPlanFacts& facts = plan.facts();
  if (request.direction == ConvDirection::filter && facts.output != Dtype::f32) {
    const std::int64_t count = request.problem.filter_size();
    const Scratch narrow(services_, static_cast<std::size_t>(count) * size_of(facts.output));
    ConvPointers to_narrow = pointers;
    to_narrow.out = narrow.get();
    execute(request, plan, to_narrow);
    services_.cast(facts.output, Dtype::f32, count, narrow.get(), pointers.out);
    return;
  }
  execute(request, plan, pointers);
}

void CudaConvs::execute(const ConvRequest& request, const ConvPlan& plan, const ConvPointers& pointers) {
  const Scratch workspace(services_, plan.facts().workspace_bytes);
  if (plan.facts().whole) {
    plan.execute(handle_, pointers, workspace.get());
    return;
  }
  ConvPointers bare = pointers;
  bare.bias = nullptr;
  bare.residual = nullptr;
  plan.execute(handle_, bare, workspace.get());
  services_.epilogue(request.problem, pointers.bias, pointers.residual, pointers.out);
}

ConvWay way_of(const ConvPlanFacts& facts) {
  ConvWay way{
      .name = facts.engine, .workspace_bytes = facts.workspace_bytes, .notes = facts.notes, .result = facts.output};
  way.transformed = std::any_of(facts.notes.begin(), facts.notes.end(),
                                [](const std::string& note) { return note == "FFT" || note.starts_with("Winograd"); });
  if (!facts.whole) way.notes.emplace_back("then an epilogue");
  return way;
}

std::vector<ConvWay> CudaConvs::engines(const ConvTask& task) {
  asked_ = make_request(task.problem, task.direction, {}).text();
  listed_ = plans_.offered(task.problem, task.direction);
  std::vector<ConvWay> ways;
  for (const auto& plan : listed_) ways.push_back(way_of(plan->facts()));
  if (ways.empty() || task.problem.depthwise()) return ways;
  const std::string chosen = plans_.find(task.problem, task.direction).facts().engine;
  for (ConvWay& way : ways) way.chosen = way.name == chosen;
  return ways;
}

std::function<void()> CudaConvs::bind(const ConvTask& task, const std::string& engine, const ConvPointers& pointers) {
  const ConvRequest request = make_request(task.problem, task.direction, {});
  const bool listed = asked_ == request.text();
  const auto plans = listed ? listed_ : plans_.offered(task.problem, task.direction, engine);
  const auto found =
      std::find_if(plans.begin(), plans.end(), [&](const auto& p) { return p->facts().engine == engine; });
  if (found == plans.end()) fail_way(task, engine);
  return [this, request, plan = *found, pointers] { execute(request, *plan, pointers); };
}

}  // namespace thaw::cuda
