#pragma once

#include <fmt/format.h>

#include "kernels/cuda/conv_plan.h"

namespace thaw::cuda::testing {

/// What executions of fake plans were given.
struct Execution {
  std::string engine;
  ConvPointers pointers;
  void* workspace = nullptr;
};

class FakePlan : public ConvPlan {
 public:
  FakePlan(ConvPlanFacts facts, std::vector<Execution>& executions)
      : ConvPlan(std::move(facts)), executions_(executions) {}
  void execute(cudnnContext*, const ConvPointers& pointers, void* workspace) const override {
    executions_.push_back({facts().engine, pointers, workspace});
  }

 private:
  std::vector<Execution>& executions_;
};

/// What a fake planner and its plans are told and asked, outside of them because plan caches own their planner.
struct FakeLibrary {
  std::string device = "NVIDIA Test GPU";
  std::string version = "cuDNN 1.2.3";
  std::vector<ConvPlanFacts> engines = {
      {.engine = "whole:a", .workspace_bytes = 64}, {.engine = "whole:b"}, {.engine = "bare:c", .whole = false}};
  std::vector<std::string> asked;  ///< "request" or "request -> engine"
  int made = 0;
  std::vector<Execution> executions;
};

class FakePlanner : public ConvPlanner {
 public:
  explicit FakePlanner(FakeLibrary& library) : library_(library) {}
  [[nodiscard]] std::string device() const override { return library_.device; }
  [[nodiscard]] std::string version() const override { return library_.version; }

  std::string for_each_plan(const ConvRequest& request, std::string_view engine, const Use& use) override {
    library_.asked.push_back(engine.empty() ? request.text() : fmt::format("{} -> {}", request.text(), engine));
    for (const ConvPlanFacts& facts : library_.engines) {
      if (!engine.empty() && facts.engine != engine) continue;
      ++library_.made;
      if (!use(std::make_shared<FakePlan>(facts, library_.executions))) return "";
    }
    return "the fake refuses the rest";
  }

 private:
  FakeLibrary& library_;
};

}  // namespace thaw::cuda::testing
