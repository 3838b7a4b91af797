#pragma once

// What graphs of cuDNN's front end have in common. Only the files that make graphs include it: the front end takes long
// to compile.
//
// An engine of the front end that nothing here uses calls NVRTC. Its calls alone are looked up at run time, so that the
// program need not be linked to NVRTC; cuDNN itself is linked.
// clang-format off
#include <cstring>
#include <string>
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
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "kernels/cuda/conv_device.h"
#include "kernels/dtype.h"
#include "kernels/error.h"

namespace thaw::cuda {

namespace fe = cudnn_frontend;

using TensorRef = std::shared_ptr<fe::graph::Tensor_attributes>;
using Notes = std::vector<fe::NumericalNote_t>;

inline fe::DataType_t type_of(Dtype dtype) {
  return dtype == Dtype::bf16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::FLOAT;
}

/// cuDNN counts dimensions as (N,C,H,W) and learns of NHWC by the strides.
inline std::vector<std::int64_t> nhwc_strides(const std::vector<std::int64_t>& dims) {
  return {dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]};
}

inline std::string_view text_of(fe::NumericalNote_t note) {
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

/// The first line of cuDNN's explanation, as the end of a sentence.
inline std::string reason_of(fe::error_t status) {
  const std::string text = status.get_message();
  return text.substr(0, text.find('\n'));
}

/// What cuDNN says of an engine.
struct EngineFacts {
  std::size_t workspace_bytes = 0;
  std::vector<std::string> notes = {};
};

/// A graph whose engines are asked one by one, in the order of the heuristics' list.
class PlannedGraph : public fe::graph::Graph {
 public:
  /// Leaves out engines with one of these notes, or with too large a workspace.
  void deselect(const Notes& notes, std::int64_t workspace_limit) {
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
  fe::error_t build(std::int64_t index, bool finish, EngineFacts& facts) {
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

  [[nodiscard]] std::string name_at(std::int64_t index) const {
    std::string name;
    const fe::error_t status = get_plan_name_at_index(index, name);
    return status.is_good() ? name : fmt::format("plan {}", index);
  }

 protected:
  using Dims = std::vector<std::int64_t>;

  /// NHWC, of the caller's.
  TensorRef input(const char* name, std::int64_t uid, const Dims& dims, Dtype dtype) {
    return tensor(fe::graph::Tensor_attributes()
                      .set_name(name)
                      .set_uid(uid)
                      .set_dim(dims)
                      .set_stride(nhwc_strides(dims))
                      .set_data_type(type_of(dtype)));
  }

 private:
  fe::EngineConfigList left_;          // engines that were not left out
  std::vector<std::size_t> position_;  // of each engine in there
};

/// What plans are made for: a handle, or the properties of a device that is not there.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  std::shared_ptr<const fe::DeviceProperties> properties = {};
  int sm = 0;

  /// Throws `Error` (data) where cuDNN does not take the description.
  static PlanTarget described(const DeviceFile& device) {
    const auto properties = std::make_shared<fe::DeviceProperties>();
    const fe::error_t status = properties->deserialize({device.json.begin(), device.json.end()});
    if (status.is_bad()) {
      fail(ErrorKind::data,
           "cuDNN does not take the description of {}: {}; CUDNN_LOGLEVEL_DBG=2 shows which key it misses", device.name,
           reason_of(status));
    }
    return {.properties = properties, .sm = device.sm};
  }

  /// Asks the heuristics for the graph's engines and leaves out those with unwanted notes or too large a workspace.
  fe::error_t prepare(PlannedGraph& graph, fe::HeurMode_t mode, const Notes& unwanted,
                      std::int64_t workspace_limit) const {
    if (properties != nullptr) graph.set_device_properties(properties).set_sm_version(sm);
    fe::error_t status = graph.validate();
    if (status.is_good()) status = graph.build_operation_graph(handle);
    if (status.is_good()) status = graph.create_execution_plans({mode});
    if (status.is_good()) graph.deselect(unwanted, workspace_limit);
    return status;
  }
};

/// "cuDNN 9.19.0"
inline std::string cudnn_version() {
  const std::size_t version = cudnnGetVersion();
  return fmt::format("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace thaw::cuda
