#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "framework/network.h"
#include "models/selector.h"

namespace thaw {

/// One layer as a reader wants to see it.
struct LayerDescription {
  std::size_t index = 0;  ///< in Keras' `model.layers`, the head's rows counted on
  std::string name;
  std::string type;
  Shape output;  ///< without the batch axis
  std::string block;
  std::int64_t params = 0;            ///< weights and statistics
  std::int64_t trainable_params = 0;  ///< weights that a training step would move
  bool frozen = false;                ///< nothing of it trains; without weights: it is not selected
  bool head = false;
  double flops = 0;  ///< of one image forward
};

/// A network under a selection: what trains, what it costs, and where it is cut.
struct Description {
  std::string model;
  int size = 0;
  std::string selector;
  NormMode norm_mode = NormMode::train;
  bool keras_rescaling = true;
  std::vector<LayerDescription> layers = {};
  std::size_t base_layers = 0;
  std::int64_t base_params = 0;
  std::int64_t base_trainable_params = 0;
  std::int64_t head_params = 0;
  std::int64_t head_trainable_params = 0;
  double flops = 0;                                 ///< of one image forward
  double frozen_flops = 0;                          ///< of them, before the cut: computed once an image
  std::optional<std::size_t> first_trainable = {};  ///< position in `layers`; none where nothing trains
  std::size_t norms_on_batch_statistics = 0;        ///< in a training step
  std::string cut = {};                             ///< the first stage that a training step runs; empty: none does
  std::size_t cut_index = 0;
  std::size_t stages = 0;
};

/// Describes a network that a selection was applied to. With `options.keras_rescaling` off the Rescaling layer is left
/// out and the layers behind it count one less.
Description describe(const Network& network, const Selection& selection, const SelectorOptions& options = {});

/// Keys: `model, size, selector, bn, keras_rescaling, layers[]` with `index, name, type, output_shape` (H,W,C), `block,
/// params, trainable_params, frozen, head, flops`; `base_layers, base_params, base_trainable_params, head_params,
/// head_trainable_params, params, trainable_params, flops, frozen_flops, norms_on_batch_statistics`;
/// `first_trainable_layer` (a name or null) and `first_trainable_index`; `cut` (a stage's name or null), `cut_index`
/// and `stages`.
nlohmann::json to_json(const Description& description);

/// The same as lines for a terminal, one a layer, then the totals. No colours.
std::string to_table(const Description& description);

}  // namespace thaw
