#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "framework/network.h"

namespace thaw {

/// The readings of the paper's two hyperparameters that can be chosen. The reading "norms stay frozen inside the
/// unfrozen part" is `NormMode::frozen_affine`; "a block is a whole stage of ResNet" is `glob:conv5_*`.
struct SelectorOptions {
  /// Whether `layer:N` counts MobileNetV3's Rescaling layer (187 / 157 layers) or not (186 / 156).
  bool keras_rescaling = true;
  /// Whether `blocks:n` with n above the number of blocks opens the stem too (default), or stays at all blocks.
  bool clip_blocks = false;
  /// Whether MobileNetV3's tail (conv_1) counts as the last block, so that `blocks:1` is the tail alone, or belongs to
  /// the last residual block (default). ResNet50 has no tail.
  bool tail_is_block = false;
};

/// What a selector selects: one flag a row of `network.layers.rows()`, head rows always true.
struct Selection {
  std::string text;
  std::vector<bool> unfrozen;
};

/// Reads `none`, `all`, `blocks:N` (the last N residual blocks and everything behind them; `blocks:0` is `none`),
/// `layer:N` (rows N and up in Keras' order, the input layer being 0), `glob:PATTERN` (layers by name, `*` and `?`),
/// joined with `+`. Only the base is selected from: a head always trains.
/// Throws `Error` (usage) for a malformed selector or one that matches nothing, saying what exists.
Selection select_layers(const Network& network, std::string_view text, const SelectorOptions& options = {});

/// Sets every weight's frozen flag and the norms' mode from a selection; with `NormMode::frozen_affine` the norms'
/// gamma and beta stay frozen. Statistics (moving mean and variance) are no weights and keep their flag.
/// Throws `Error` (usage) where the selection was made for another network.
void apply_selection(Network& network, const Selection& selection, NormMode mode);

/// Rows of the base that Keras counts under these options, in order: indices into `network.layers.rows()`.
std::vector<std::size_t> counted_rows(const Network& network, const SelectorOptions& options);

/// A pattern with `*` (any characters) and `?` (any one) against a whole text.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace thaw
