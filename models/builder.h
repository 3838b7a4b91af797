#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "framework/network.h"
#include "models/zoo.h"

namespace thaw {

/// Adds the stages of a model to a network, one after another, and carries what the next one has to know.
class NetworkBuilder {
 public:
  /// Starts the chain with the rows of the input and, where Keras has one, of the preprocessing.
  explicit NetworkBuilder(Network& network);

  /// A place for parameters: the name of a layer or of a block.
  [[nodiscard]] Scope scope(const std::string& name) { return {network_.parameters, name}; }
  [[nodiscard]] LayerList& rows() { return network_.layers; }

  /// Closes a stage. It owns every parameter that was created since the previous one.
  void add_stage(std::string name, const Shape& output, std::vector<BatchNorm*> norms,
                 std::function<Var(Context&, const Var&)> forward, bool random = false);

  AutoNames names;                                               ///< of the layers that Keras names by itself
  [[nodiscard]] const Shape& output() const { return output_; }  ///< (H,W,C) of one image behind the last stage
  [[nodiscard]] std::size_t stages() const { return network_.stages.size(); }

 private:
  Network& network_;
  Shape output_;
  std::size_t owned_ = 0;  // parameters that belong to a stage already
};

// The parts of the zoo's models, each in the file of its family.

void add_resnet50_base(NetworkBuilder& builder);
/// Keras' `avg_pool` and `predictions`; the network returns logits, a tracer sees Keras' probabilities.
void add_resnet50_top(NetworkBuilder& builder);

enum class MobileNetSize : std::uint8_t { large, small };
void add_mobilenet_v3_base(NetworkBuilder& builder, MobileNetSize size);
/// Keras' pooling, `conv_2`, dropout, `logits`, flatten and `predictions`; logits as above.
void add_mobilenet_v3_top(NetworkBuilder& builder, MobileNetSize size);

/// Stages "pool" (global average pooling) and "head": hidden dense layers with ReLU, dropout, the classifier.
void add_transfer_head(NetworkBuilder& builder, const HeadOptions& options);

/// Classes of ImageNet, which the models' own classifiers tell apart.
inline constexpr int kImageNetClasses = 1000;

/// Reports a classifier's output the way Keras does, softmax(logits), where somebody observes.
void observe_probabilities(Context& ctx, const Var& logits);

}  // namespace thaw
