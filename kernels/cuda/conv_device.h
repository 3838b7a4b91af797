#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace thaw::cuda {

/// A GPU as a file describes it to cuDNN: enough to plan for it where there is none.
struct DeviceFile {
  std::string name;  ///< "NVIDIA H200"
  int sm = 0;        ///< compute capability, e.g. 90
  std::size_t memory_bytes = 0;
  std::string json = {};  ///< in the form of cuDNN's CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION

  /// Reads such a file. Throws `Error` (data) naming `source` and what is missing or out of range.
  static DeviceFile parse(std::string json, std::string_view source);
};

/// A description that comes with thaw (kernels/cuda/devices): its text is compiled in.
struct DeviceText {
  std::string_view name;
  std::string_view json;
};
const std::vector<DeviceText>& device_texts();

/// Names of the devices that come with thaw: "a100", "h200", ...
std::vector<std::string> known_devices();

/// A known device by its name, or one that is read from a file (a word with a dot or a slash). Throws `Error` (usage)
/// for a name that nobody knows, naming the nearest, and `Error` (data) for a file that cannot be used.
DeviceFile find_device(const std::string& name_or_file);

}  // namespace thaw::cuda
