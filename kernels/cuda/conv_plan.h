#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/conv_ways.h"

struct cudnnContext;  // cudnnHandle_t is a pointer to one

namespace thaw::cuda {

/// What an engine may do. By default f32 is computed in f32, and the same input gives the same bits every time.
struct ConvRules {
  bool tf32 = false;  ///< tensor cores for f32: products of mantissas of 10 bits, sums in f32
  bool fast = false;  ///< engines that add up in no fixed order, and the largest Winograd tiles
};

/// One direction of one problem under rules. `make_request` leaves out what does not matter to the direction, so that
/// equal work has one text.
struct ConvRequest {
  ConvProblem problem;
  ConvDirection direction = ConvDirection::forward;
  ConvRules rules;

  /// `n32c64h56w56_k128r3s3p1:bf16 forward`, then ` tf32` and ` fast`: names cached choices, tests and failures.
  [[nodiscard]] std::string text() const;
};

ConvRequest make_request(const ConvProblem& problem, ConvDirection direction, const ConvRules& rules);

/// Device pointers of one execution. The types are those of the problem's activations for x, w, dy and residual, f32
/// for the bias and `ConvPlanFacts::output` for what is written. Filters are (K,R,S,C/groups), depthwise ones too; bias
/// and residual are given where the plan is whole.
using ConvPointers = ConvOperands;

struct ConvPlanFacts {
  /// The form of the graph and cuDNN's name of the engine with its settings, e.g. `whole:eng7_k2=3`. Unique among the
  /// plans of a request, and what a stored choice is found by.
  std::string engine = {};
  std::size_t workspace_bytes = 0;
  std::vector<std::string> notes = {};  ///< "tensor cores", "nondeterministic", ...
  /// Bias, residual and activation are inside. Where they are not, `out` is the bare convolution and an epilogue of the
  /// caller's has to follow.
  bool whole = true;
  Dtype output = Dtype::f32;  ///< of `out`: a filter gradient may come as bf16, to be cast to f32
};

/// An engine that was found able to compute a request, ready to run.
class ConvPlan {
 public:
  explicit ConvPlan(ConvPlanFacts facts) : facts_(std::move(facts)) {}
  virtual ~ConvPlan() = default;
  ConvPlan(const ConvPlan&) = delete;
  ConvPlan& operator=(const ConvPlan&) = delete;

  [[nodiscard]] const ConvPlanFacts& facts() const { return facts_; }
  /// Starts the work on the handle's stream. `workspace` holds `workspace_bytes`, aligned to 256; null where those are
  /// 0. Throws `Error` (device).
  virtual void execute(cudnnContext* handle, const ConvPointers& pointers, void* workspace) const = 0;

 private:
  ConvPlanFacts facts_;
};

/// Who knows which engines can compute a request; the real one is cuDNN (conv_graph.h).
class ConvPlanner {
 public:
  virtual ~ConvPlanner() = default;

  // Plans hold for one device and one version of the library.
  [[nodiscard]] virtual std::string device() const = 0;
  [[nodiscard]] virtual std::string version() const = 0;

  /// Gets a plan; returns whether it wants another one.
  using Use = std::function<bool(std::shared_ptr<const ConvPlan>)>;
  /// Makes plans one by one, the best by the library's judgement first, of its equals a whole one before a bare one.
  /// `engine` limits them to the one of that name. Returns why plans could not be made, empty where none failed.
  virtual std::string for_each_plan(const ConvRequest& request, std::string_view engine, const Use& use) = 0;
};

}  // namespace thaw::cuda
