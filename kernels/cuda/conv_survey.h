#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernels/cuda/conv_plan.h"

namespace thaw::cuda {

/// How one request would be computed.
struct SurveyRow {
  ConvRequest request;
  bool own_kernel = false;   ///< depthwise, or part of a larger call: not cuDNN's business
  ConvPlanFacts facts = {};  ///< of cuDNN's engine; its name is empty where there is none
  std::string reason = {};   ///< why there is none
  /// Every engine that cuDNN offers, the recommended one first, where all were asked for; of depthwise requests too.
  std::vector<ConvPlanFacts> engines = {};

  [[nodiscard]] bool possible() const { return own_kernel || !facts.engine.empty(); }
  /// What the call takes beside its operands: workspace, and a copy of the filter in the activations' type where it is
  /// cast, or of its gradient where the engine gives that in another type than f32.
  [[nodiscard]] std::size_t scratch_bytes(bool casts_filter) const;
};

/// How a GPU that need not be here would compute requests.
struct ConvSurvey {
  std::string device;
  std::string version;
  std::size_t memory_bytes = 0;
  /// Whether there is a driver. Without one, engines that are compiled at run time cannot be asked, and what they would
  /// fuse shows as a bare convolution with an epilogue.
  bool driver = false;
  std::vector<SurveyRow> rows = {};
};

enum class SurveyDepth : std::uint8_t {
  recommended,  ///< the engine that a run would take without timing
  all,          ///< every engine that is offered
};

/// Asks cuDNN for the engine that it would recommend for each request, or for all that it has. `gpu` is a name or a
/// file (conv_device.h). Throws `Error`: (device) in a build without CUDA, (usage) or (data) as `find_device`.
ConvSurvey survey_convs(const std::string& gpu, std::span<const ConvRequest> requests, SurveyDepth depth);

}  // namespace thaw::cuda
