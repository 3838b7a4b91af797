#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/layers.h"

namespace thaw {

/// A step of a network between two block boundaries: the only places where a network may be cut.
struct Stage {
  std::string name;  ///< "stem", "conv5_block3", "block_12", "tail", "pool", "head"
  std::vector<Parameter*> parameters = {};
  std::vector<BatchNorm*> norms = {};
  bool random = false;  ///< drops out in training
  std::function<Var(Context&, const Var&)> forward;
};

/// A network as a chain of stages with its parameters and its rows in Keras' order. Built by models/; knows nothing of
/// files, data or training.
struct Network {
  Network(std::shared_ptr<Backend> backend, Dtype master, std::uint64_t seed)
      : parameters(std::move(backend), master, seed) {}
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  std::string id;                ///< "resnet50", "mobilenet_v3_large", "mobilenet_v3_small"
  int size = 224;                ///< height and width of the input in pixels
  int classes = 0;               ///< 0: no head, the output is the base's feature map
  Preprocess preprocessing;      ///< of RGB pixels 0..255
  bool rescaling_layer = false;  ///< Keras counts the preprocessing as a layer of the model (`rescaling`)
  ParameterStore parameters;
  LayerList layers;
  std::vector<Stage> stages;

  /// Stages [first, last) on x. The last stage of a network with a head returns logits (N,classes), master-typed.
  Var forward(Context& ctx, const Var& x, std::size_t first, std::size_t last) const;
  /// Pixels (N,S,S,3) RGB 0..255 as the first stage wants them; reports `input_layer` and `rescaling` when observed.
  Var input(Context& ctx, const Tensor& pixels) const;
  Var forward(Context& ctx, const Tensor& pixels) const;

  void set_norm_mode(NormMode mode);
  [[nodiscard]] NormMode norm_mode() const { return norm_mode_; }

  /// The first stage that a training step has to run itself: it holds a trainable parameter, a norm that would use
  /// batch statistics, or a dropout. Everything before is a pure function of weights and image: the frozen prefix.
  [[nodiscard]] std::size_t cut() const;

 private:
  NormMode norm_mode_ = NormMode::train;
};

}  // namespace thaw
