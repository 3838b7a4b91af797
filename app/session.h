#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/model_card.h"
#include "framework/network.h"
#include "models/zoo.h"
#include "weights/spec.h"

namespace thaw {

struct DeviceOptions {
  std::string device = "auto";
  std::string dtype = "auto";
  int threads = 0;
  bool tf32 = false, fast = false, autotune = false;  ///< `BackendOptions`
};

/// A device with the type that activations have on it.
struct Device {
  std::shared_ptr<Backend> backend;
  Dtype dtype = Dtype::f32;
};

/// Throws `Error`: (usage) for unknown names, (device) where the device is not there or cannot compute in that type.
Device open_device(const DeviceOptions& options);

/// Which head the network gets.
enum class HeadWish {
  none,        ///< the output is the base's feature map
  as_given,    ///< `SessionOptions::head`, random unless the weights have one of its shape
  as_weights,  ///< the one that the weight file has; an error where it has none
};

struct SessionOptions {
  std::string model;    ///< empty: as the weights say
  std::string weights;  ///< a file, "none" or "synth"
  int size = 0;         ///< 0: as the weights say, else 224
  HeadWish wish = HeadWish::none;
  HeadOptions head = {};
  std::vector<std::string> class_names = {};  ///< of `head`; a file's head is taken over only for the same classes
  std::uint64_t seed = 0;
  DeviceOptions device = {};
  std::optional<Device> opened = {};  ///< a device that was opened before, instead of `device`
};

/// A network with its weights on a device.
struct Session {
  Device device;
  std::unique_ptr<Network> network;
  ModelCard card;              ///< of the network as it is now
  std::string weights_source;  ///< "none", "synth" or what the file says of its origin
  std::string weights_sha256;  ///< of the file; empty where there is none
  bool head_loaded = false;
  std::vector<std::string> notes;  ///< what the user should know about weights and device

  /// For inference; training adds a tape.
  [[nodiscard]] Context context() const;
};

/// Builds the network and gives it its weights. Throws `Error`: (usage) where the model is not known or the head is
/// missing, (data) where the weights do not fit.
Session open_session(const SessionOptions& options);

/// Whether `text` names a file rather than `none` or `synth`.
bool is_weight_file(const std::string& text);

/// The weighted layers that a pretrained file has: the base, and with `include_top` Keras' classifier.
ModelSpec pretrained_spec(const Network& network, bool include_top);

}  // namespace thaw
