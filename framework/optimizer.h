#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framework/parameter.h"

namespace thaw {

/// Updates the trainable parameters that have a gradient, all in one backend call. State is kept per parameter and only
/// for parameters that were ever trained; a frozen one is never touched.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One step with learning rate `lr`; counts steps from 1.
  void step(const std::vector<Parameter*>& parameters, double lr);
  /// Counts a step that a recording is about to do again, and sets its step size.
  void repeat(Backend& backend, double lr);
  /// Of the last step with learning rate `lr`, as the backend's call computes it.
  [[nodiscard]] virtual double step_size(double lr) const = 0;
  [[nodiscard]] std::int64_t steps() const { return steps_; }

  /// State by name, e.g. "conv_1/kernel.m", for checkpoints.
  [[nodiscard]] std::map<std::string, Tensor> state() const;
  /// Puts saved state back. Throws `Error` (data) for a name or size that does not fit.
  void restore(std::int64_t steps, const std::map<std::string, std::vector<float>>& state,
               const std::vector<Parameter*>& parameters);
  [[nodiscard]] virtual std::string text() const = 0;

 protected:
  struct Slots {
    std::vector<Tensor> tensors;
  };
  [[nodiscard]] virtual std::vector<std::string> slot_names() const = 0;
  virtual void update(Backend& backend, Dtype master, const std::vector<UpdateSlot>& slots, double lr) = 0;
  std::int64_t steps_ = 0;

 private:
  Slots& slots_of(const Parameter& parameter);
  std::map<std::string, Slots> slots_;
};

/// Keras' Adam: epsilon outside the bias correction, one step counter (keras.optimizers.Adam).
struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7;
};
std::unique_ptr<Optimizer> make_adam(const AdamOptions& options = {});

/// Keras' SGD with momentum.
struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = false;
};
std::unique_ptr<Optimizer> make_sgd(const SgdOptions& options = {});

/// "adam" or "sgd". Throws `Error` (usage) naming both.
std::unique_ptr<Optimizer> make_optimizer(std::string_view name);

}  // namespace thaw
