#pragma once

#include <fmt/format.h>

#include "kernels/cuda/norm_plan.h"

namespace thaw::cuda::testing {

/// What an execution of a fake plan was given.
struct NormExecution {
  std::string engine;
  NormPointers pointers;
  void* workspace = nullptr;
};

class FakeNormPlan : public NormPlan {
 public:
  FakeNormPlan(NormPlanFacts facts, std::vector<NormExecution>& executions)
      : NormPlan(std::move(facts)), executions_(executions) {}
  void execute(cudnnContext*, const NormPointers& pointers, void* workspace) const override {
    executions_.push_back({facts().engine, pointers, workspace});
  }

 private:
  std::vector<NormExecution>& executions_;
};

/// What a fake planner and its plans are told and asked, outside of them because plan caches own their planner.
struct FakeNormLibrary {
  std::string device = "NVIDIA Test GPU";
  std::string version = "cuDNN 1.2.3";
  std::vector<NormPlanFacts> engines = {{.engine = "eng0", .workspace_bytes = 64}, {.engine = "eng1"}};
  std::vector<std::string> asked;  ///< "request" or "request -> engine"
  std::vector<NormExecution> executions;
};

class FakeNormPlanner : public NormPlanner {
 public:
  explicit FakeNormPlanner(FakeNormLibrary& library) : library_(library) {}
  [[nodiscard]] std::string device() const override { return library_.device; }
  [[nodiscard]] std::string version() const override { return library_.version; }

  std::string for_each_plan(const NormRequest& request, std::string_view engine, const Use& use) override {
    library_.asked.push_back(engine.empty() ? request.text() : fmt::format("{} -> {}", request.text(), engine));
    for (const NormPlanFacts& facts : library_.engines) {
      if (!engine.empty() && facts.engine != engine) continue;
      if (!use(std::make_shared<FakeNormPlan>(facts, library_.executions))) return "";
    }
    return "the fake refuses the rest";
  }

 private:
  FakeNormLibrary& library_;
};

}  // namespace thaw::cuda::testing
