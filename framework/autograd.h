#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.h"

namespace thaw {

/// Where the gradient of a value gathers. Separate from the value, so that waiting for a gradient keeps no activation.
struct Gradient {
  Tensor value;  ///< undefined until the first contribution

  /// Adds a contribution. The first one is shared; a later one is added in place only where nobody else holds it.
  void accumulate(const Tensor& contribution);
};

/// A tensor that may want a gradient.
class Var {
 public:
  Var() = default;
  explicit Var(Tensor value, std::shared_ptr<Gradient> gradient = nullptr)
      : value_(std::move(value)), gradient_(std::move(gradient)) {}

  [[nodiscard]] bool defined() const { return value_.defined(); }
  [[nodiscard]] const Tensor& value() const { return value_; }
  [[nodiscard]] const Shape& shape() const { return value_.shape(); }
  [[nodiscard]] bool wants_grad() const { return gradient_ != nullptr; }
  [[nodiscard]] const std::shared_ptr<Gradient>& gradient() const { return gradient_; }

 private:
  Tensor value_;
  std::shared_ptr<Gradient> gradient_;
};

/// The backward closures of one step, in order of recording. `backward` runs and frees them from the end.
class Tape {
 public:
  /// `backward` gets the gradient of `out`; it does not run where none arrived. Without an `out` it starts the backward
  /// pass. `saved` lists the tensors that the closure keeps alive (activations; parameters live anyway).
  void record(std::string_view op, std::vector<Tensor> saved, const Var& out,
              std::function<void(const Tensor& dy)> backward);
  /// Runs every closure from the last to the first, freeing each one's tensors as it goes.
  void backward();
  void clear() { entries_.clear(); }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::vector<std::string> ops() const;
  /// Bytes of the distinct tensors kept for the backward pass.
  [[nodiscard]] std::size_t saved_bytes() const;

 private:
  struct Entry {
    std::string op;
    std::vector<Tensor> saved;
    std::shared_ptr<Gradient> out;
    std::function<void(const Tensor&)> backward;
  };
  std::vector<Entry> entries_;
};

class DropoutMasks;

/// Called with a layer's name and its output; the scale multiplies the values that are reported.
using Observer = std::function<void(std::string_view layer, const Tensor& output, double scale)>;

/// Everything that an op needs to know besides its inputs: where to compute, in which type, and whether to record.
struct Context {
  std::shared_ptr<Backend> backend;
  Dtype dtype = Dtype::f32;       ///< of activations
  Tape* tape = nullptr;           ///< null: nothing is recorded and nothing wants a gradient
  bool training = false;          ///< dropout drops; norms that are allowed to use batch statistics do
  std::uint64_t seed = 0;         ///< of dropout
  std::uint64_t step = 0;         ///< counts training steps; with `seed` it fixes every dropout mask
  std::uint64_t dropouts = 0;     ///< dropout calls of this step so far
  DropoutMasks* masks = nullptr;  ///< where the step's masks are kept, so that it can be recorded; null: they are not
  Observer observer = {};         ///< set: layers run unfused and report each output (tracing)

  [[nodiscard]] Dtype master() const { return master_dtype(dtype); }
  [[nodiscard]] bool observing() const { return static_cast<bool>(observer); }
  void observe(std::string_view layer, const Tensor& output, double scale = 1.0) const {
    if (observer) observer(layer, output, scale);
  }
  [[nodiscard]] Tensor empty(const Shape& shape) const { return Tensor::empty(backend, shape, dtype); }
  [[nodiscard]] Tensor empty_master(const Shape& shape) const { return Tensor::empty(backend, shape, master()); }
  /// Whether an op on these inputs has to be recorded.
  [[nodiscard]] bool wants_grad(std::initializer_list<const Var*> inputs) const;
  /// An op's output: it wants a gradient exactly where an input does and a tape records.
  [[nodiscard]] Var output(Tensor value, std::initializer_list<const Var*> inputs) const;
};

}  // namespace thaw
