#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/problem.h"

struct cudnnContext;  // cudnnHandle_t is a pointer to one

namespace thaw::cuda {

enum class NormDirection : std::uint8_t { forward, backward };
std::string_view name_of(NormDirection direction);  ///< "forward", "backward"

/// One direction of a batch norm. `fast` allows engines that add up in no fixed order.
struct NormRequest {
  NormProblem problem;
  NormDirection direction = NormDirection::forward;
  bool fast = false;

  /// Whether it is asked of cuDNN: batch statistics, linear or with a ReLU, behind a residual with a ReLU. The rest is
  /// left to own kernels (docs/ARCHITECTURE.md says what of it was tried).
  [[nodiscard]] bool expressible() const;
  /// `norm_rows100352c64+training+relu:bf16 forward`, then ` fast`: names cached choices, tests and failures.
  [[nodiscard]] std::string text() const;
};

/// Device pointers of one execution, (rows,C) in the problem's type and (C) in f32. Those that the direction writes are
/// said; it reads the others.
struct NormPointers {
  const void* x = nullptr;
  const void* gamma = nullptr;
  const void* beta = nullptr;      ///< backward: with a ReLU and no residual
  const void* residual = nullptr;  ///< forward, where the problem has one
  const void* y = nullptr;         ///< forward: written; backward: behind a residual
  const void* mean = nullptr;      ///< forward: written
  const void* inverse = nullptr;   ///< 1/sqrt(variance + epsilon); forward: written
  const void* dy = nullptr;
  const void* dx = nullptr;         ///< backward: written, like all below
  const void* dresidual = nullptr;  ///< where the problem has one
  const void* dgamma = nullptr;
  const void* dbeta = nullptr;
  float epsilon = 0;
};

struct NormPlanFacts {
  std::string engine = {};  ///< cuDNN's name of the engine with its settings, e.g. `eng0_k30=1_k31=0_k32=2`
  std::size_t workspace_bytes = 0;
  std::vector<std::string> notes = {};  ///< as in `ConvPlanFacts`
};

/// An engine that was found able to compute a request, ready to run.
class NormPlan {
 public:
  explicit NormPlan(NormPlanFacts facts) : facts_(std::move(facts)) {}
  virtual ~NormPlan() = default;
  NormPlan(const NormPlan&) = delete;
  NormPlan& operator=(const NormPlan&) = delete;

  [[nodiscard]] const NormPlanFacts& facts() const { return facts_; }
  /// Starts the work on the handle's stream. `workspace` holds `workspace_bytes`, aligned to 256; null where those are
  /// 0. Throws `Error` (device).
  virtual void execute(cudnnContext* handle, const NormPointers& pointers, void* workspace) const = 0;

 private:
  NormPlanFacts facts_;
};

/// Who knows which engines can compute a request; the real one is cuDNN (norm_graph.h).
class NormPlanner {
 public:
  virtual ~NormPlanner() = default;

  // Plans hold for one device and one version of the library.
  [[nodiscard]] virtual std::string device() const = 0;
  [[nodiscard]] virtual std::string version() const = 0;

  /// Gets a plan; returns whether it wants another one.
  using Use = std::function<bool(std::shared_ptr<const NormPlan>)>;
  /// Makes plans one by one, the best by the library's judgement first. `engine` limits them to the one of that name.
  /// Returns why plans could not be made, empty where none failed.
  virtual std::string for_each_plan(const NormRequest& request, std::string_view engine, const Use& use) = 0;
};

}  // namespace thaw::cuda
