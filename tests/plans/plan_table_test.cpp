// Every convolution of the networks, frozen and in training, plans on GPUs that are not here; prints which engine takes
// it. What plans neither whole nor bare fails, unless it is depthwise: those have kernels of their own. So have all
// norms, of which those that cuDNN is asked for plan too where its engines know the GPU.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <iostream>
#include <map>

#include "kernels/cuda/conv_graph.h"
#include "kernels/cuda/norm_graph.h"
#include "models/step_record.h"

namespace thaw::cuda {
namespace {

using ::testing::IsEmpty;

struct PlanTableCase {
  const char* gpu;
  Dtype dtype;
  int batch;
  bool tf32 = false;
};

std::string case_name(const PlanTableCase& c) {
  return fmt::format("{}_{}_batch{}", c.gpu, c.tf32 ? "tf32" : name_of(c.dtype), c.batch);
}

ConvDirection direction_of(ConvCallKind kind) {
  if (kind == ConvCallKind::data) return ConvDirection::data;
  return kind == ConvCallKind::filter ? ConvDirection::filter : ConvDirection::forward;
}

/// All networks, frozen but for the head and in full training.
std::vector<StepRecord> records_of(const PlanTableCase& c) {
  std::vector<StepRecord> records;
  for (const std::string& model : model_names()) {
    for (const char* unfreeze : {"none", "all"}) {
      StepQuestion question;
      question.model = model;
      question.options.head.classes = 5;
      question.unfreeze = unfreeze;
      question.batch = c.batch;
      question.dtype = c.dtype;
      records.push_back(record_step(question));
    }
  }
  return records;
}

/// Distinct requests of all networks by their text: the frozen prefix' fused calls and a full training step's.
std::map<std::string, ConvRequest> requests_of(const PlanTableCase& c) {
  std::map<std::string, ConvRequest> requests;
  for (const StepRecord& record : records_of(c)) {
    for (const auto* calls : {&record.prefix, &record.step}) {
      for (const ConvCall& call : *calls) {
        const ConvRequest request = make_request(call.problem, direction_of(call.kind), {.tf32 = c.tf32});
        requests.emplace(request.text(), request);
      }
    }
  }
  return requests;
}

std::map<std::string, NormRequest> norm_requests_of(const PlanTableCase& c) {
  std::map<std::string, NormRequest> requests;
  for (const StepRecord& record : records_of(c)) {
    for (const auto* calls : {&record.prefix_norms, &record.step_norms}) {
      for (const NormCall& call : *calls) {
        const NormRequest request{.problem = call.problem,
                                  .direction = call.backward ? NormDirection::backward : NormDirection::forward};
        requests.emplace(request.text(), request);
      }
    }
  }
  return requests;
}

class PlanTables : public ::testing::TestWithParam<PlanTableCase> {};

TEST_P(PlanTables, HasAnEngineForEveryConvolution) {
  CudnnPlanner planner(find_device(GetParam().gpu));
  planner.finish = false;  // a second for each fused one, a quarter of an hour for all
  std::vector<std::string> without;
  std::map<std::string, int> kinds;
  std::size_t most_workspace = 0;
  const auto start = std::chrono::steady_clock::now();
  const auto requests = requests_of(GetParam());
  std::string table;
  for (const auto& [text, request] : requests) {
    std::shared_ptr<const ConvPlan> plan;
    const std::string reason = planner.for_each_plan(request, "", [&plan](std::shared_ptr<const ConvPlan> made) {
      plan = std::move(made);
      return false;
    });
    const bool depthwise = request.problem.depthwise();
    if (plan == nullptr) {
      table += fmt::format("{:<72} does not plan{}: {}\n", text, depthwise ? " (own kernel)" : "", reason);
      if (!depthwise) without.push_back(text);
      ++kinds["without"];
      continue;
    }
    const ConvPlanFacts& facts = plan->facts();
    table += fmt::format("{:<72} {:<50} {:>12} {}\n", text, facts.engine, facts.workspace_bytes,
                         facts.whole ? name_of(facts.output) : "+ epilogue");
    ++kinds[depthwise ? "depthwise" : facts.whole ? "whole" : "bare"];
    most_workspace = std::max(most_workspace, facts.workspace_bytes);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cout << fmt::format("{} on {} with {}\n{}{} requests in {:.1f} s: ", case_name(GetParam()), planner.device(),
                           planner.version(), table, requests.size(), seconds);
  for (const auto& [kind, count] : kinds) std::cout << fmt::format("{} {}, ", count, kind);
  std::cout << fmt::format("most workspace {:.1f} MiB\n", static_cast<double>(most_workspace) / (1 << 20));
  EXPECT_THAT(without, IsEmpty());
}

TEST_P(PlanTables, HasAnEngineForEveryNormThatIsAskedForFromAmpereOn) {
  const DeviceFile device = find_device(GetParam().gpu);
  CudnnNormPlanner planner(device);
  planner.finish = false;
  std::vector<std::string> without;
  std::map<std::string, int> kinds;
  std::size_t most_workspace = 0;
  std::string table;
  const auto requests = norm_requests_of(GetParam());
  for (const auto& [text, request] : requests) {
    std::shared_ptr<const NormPlan> plan;
    const std::string reason = planner.for_each_plan(request, "", [&plan](std::shared_ptr<const NormPlan> made) {
      plan = std::move(made);
      return false;
    });
    if (plan == nullptr) {
      table += fmt::format("{:<72} own kernel: {}\n", text, reason.substr(0, 80));
      if (request.expressible()) without.push_back(text);
      ++kinds["own kernel only"];
      continue;
    }
    table += fmt::format("{:<72} {:<50} {:>12}\n", text, plan->facts().engine, plan->facts().workspace_bytes);
    ++kinds["plan"];
    most_workspace = std::max(most_workspace, plan->facts().workspace_bytes);
  }
  std::cout << fmt::format("{} on {} with {}\n{}{} norms: ", case_name(GetParam()), planner.device(), planner.version(),
                           table, requests.size());
  for (const auto& [kind, count] : kinds) std::cout << fmt::format("{} {}, ", count, kind);
  std::cout << fmt::format("most workspace {:.1f} KiB\n", static_cast<double>(most_workspace) / (1 << 10));
  EXPECT_GT(requests.size(), 50U);
  if (device.sm >= 80) {
    EXPECT_THAT(without, IsEmpty());
  } else {
    EXPECT_EQ(kinds["plan"], 0);  // then own kernels are the only ones, and the sentence in ARCHITECTURE.md holds
  }
}

/// What a fused graph is made of besides its sizes: an engine that is compiled for one compiles for the others.
std::string kind_of(const ConvRequest& request) {
  const ConvProblem& p = request.problem;
  return fmt::format("{} {}x{} {} {} {} {}", name_of(request.direction), p.r, p.s, p.bias, p.residual, name_of(p.act),
                     p.depthwise());
}

TEST(PlanTable, FinishesAPlanOfEachKind) {
  for (const Dtype dtype : {Dtype::bf16, Dtype::f32}) {
    CudnnPlanner planner(find_device("h200"));
    std::map<std::string, ConvRequest> kinds;
    for (const auto& [text, request] : requests_of({"h200", dtype, 32})) kinds.emplace(kind_of(request), request);
    EXPECT_GT(kinds.size(), 20U);
    for (const auto& [kind, request] : kinds) {
      int finished = 0;
      planner.for_each_plan(request, "", [&finished](const auto&) { return ++finished < 1; });
      EXPECT_EQ(finished, 1) << request.text();
    }
  }
}

constexpr PlanTableCase kCases[] = {
    {"h200", Dtype::bf16, 1},  {"h200", Dtype::bf16, 32},    {"h200", Dtype::bf16, 256},     {"h200", Dtype::f32, 1},
    {"h200", Dtype::f32, 32},  {"h200", Dtype::f32, 256},    {"h200", Dtype::f32, 32, true}, {"h100", Dtype::bf16, 32},
    {"a100", Dtype::bf16, 32}, {"rtx4090", Dtype::bf16, 32}, {"t4", Dtype::f32, 32}};

INSTANTIATE_TEST_SUITE_P(Gpus, PlanTables, ::testing::ValuesIn(kCases),
                         [](const auto& table) { return case_name(table.param); });

}  // namespace
}  // namespace thaw::cuda
