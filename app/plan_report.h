#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/cuda/conv_survey.h"
#include "kernels/cuda/norm_survey.h"
#include "models/step_record.h"

namespace thaw {

/// A convolution of a run: how often it comes, and where.
struct PlannedCall {
  ConvCall call;
  bool prefix = false;  ///< in the frozen prefix, computed once an image; else in each training step
  cuda::SurveyRow row;
};

/// A batch norm of a run that is not folded into a convolution.
struct PlannedNorm {
  NormCall call;
  bool prefix = false;
  cuda::NormSurveyRow row;
};

/// What a training run would ask of a GPU, and what it would get.
struct PlanReport {
  StepQuestion question;
  bool tf32 = false;
  std::string cut;  ///< the first stage that a step runs
  StepMemory memory;
  cuda::ConvSurvey survey = {};  ///< without its rows: those are in `calls`
  std::vector<PlannedCall> calls = {};
  std::vector<PlannedNorm> norms = {};

  [[nodiscard]] std::size_t largest_scratch() const;
  /// Most bytes at once.
  [[nodiscard]] std::size_t total() const { return memory.peak() + largest_scratch(); }
  [[nodiscard]] std::size_t without_engine() const;
};

/// Lines for a terminal: one a convolution, one a norm, then the memory.
std::string to_table(const PlanReport& report);

/// Keys: `model, size, batch, dtype, tf32, unfreeze, bn, cut`; `gpu, cudnn, gpu_memory_bytes, driver`; `convolutions[]`
/// with `problem, direction, part` ("prefix" or "step"), `count, engine` (null where there is none), `own_kernel,
/// fused, output, workspace_bytes, notes[], reason, engines[]` (filled with `--all-plans`, each with `engine, fused,
/// output, workspace_bytes, notes[]`); `norms[]` with `problem, direction, part, count, engine` (null where no engine
/// was found: own kernels compute every norm unless `--autotune` finds the engine faster), `own_kernel` (it is the only
/// way), `workspace_bytes, notes[], reason`; `memory` with `weights, gradients, optimizer, filter_copies, saved,
/// prefix_peak, step_peak, scratch, total` in bytes; `fits, without_engine`.
nlohmann::json to_json(const PlanReport& report);

}  // namespace thaw
