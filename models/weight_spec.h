#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "framework/network.h"
#include "weights/spec.h"
#include "weights/store.h"

namespace thaw {

/// Which rows of a network are meant: what the pretrained file holds, what stands on top of it, or both.
enum class WeightPart : std::uint8_t { base, head, all };

/// The weighted layers of a network in Keras' order, with Keras' shapes and h5 names: what `read_weights` needs.
ModelSpec weight_spec(const Network& network, WeightPart part = WeightPart::base);

/// What `load_weights` did.
struct LoadedWeights {
  std::size_t base_tensors = 0;           ///< of the base, all loaded
  std::vector<std::string> head_found;    ///< head tensors that the set has in the right shape, loaded if asked for
  std::vector<std::string> head_missing;  ///< head tensors that it has not, or in another shape
};

/// Copies the base's weights from `weights` into the network, and with `head_too` the head's as well. Nothing is
/// changed unless everything fits. Throws `Error` (data) for another model's weights, naming the tensor that is missing
/// or of another shape, and for a missing head where it was asked for.
LoadedWeights load_weights(Network& network, const WeightSet& weights, bool head_too);

/// The network's weights and statistics as they are now, under Keras' names.
WeightSet collect_weights(const Network& network, WeightPart part = WeightPart::all);

}  // namespace thaw
