#include "framework/optimizer.h"

#include "kernels/error.h"

namespace thaw {

Optimizer::Slots& Optimizer::slots_of(const Parameter& parameter) {
  Slots& slots = slots_[parameter.name()];
  if (slots.tensors.empty()) {
    for (std::size_t i = 0; i < slot_names().size(); ++i) {
      const Tensor& value = parameter.value();
      slots.tensors.push_back(Tensor::zeros(value.backend(), value.shape(), value.dtype()));
    }
  }
  return slots;
}

void Optimizer::step(const std::vector<Parameter*>& parameters, double lr) {
  ++steps_;
  std::vector<UpdateSlot> slots;
  std::vector<Tensor> gradients;  // keeps them alive through the call
  for (Parameter* parameter : parameters) {
    const Tensor gradient = parameter->gradient();
    if (!parameter->trainable() || !gradient.defined()) continue;
    const std::vector<Tensor>& state = slots_of(*parameter).tensors;
    slots.push_back({.w = parameter->value().data(),
                     .g = gradient.data(),
                     .state1 = !state.empty() ? state[0].data() : nullptr,
                     .state2 = state.size() > 1 ? state[1].data() : nullptr,
                     .count = parameter->count()});
    gradients.push_back(gradient);
    parameter->mark_changed();
  }
  if (slots.empty()) return;
  update(*gradients.front().backend(), gradients.front().dtype(), slots, lr);
}

void Optimizer::repeat(Backend& backend, double lr) {
  ++steps_;
  backend.set_step_size(step_size(lr));
}

std::map<std::string, Tensor> Optimizer::state() const {
  std::map<std::string, Tensor> out;
  const std::vector<std::string> names = slot_names();
  for (const auto& [parameter, slots] : slots_) {
    for (std::size_t i = 0; i < slots.tensors.size(); ++i) out[parameter + "." + names[i]] = slots.tensors[i];
  }
  return out;
}

void Optimizer::restore(std::int64_t steps, const std::map<std::string, std::vector<float>>& state,
                        const std::vector<Parameter*>& parameters) {
  steps_ = steps;
  const std::vector<std::string> names = slot_names();
  std::size_t used = 0;
  for (const Parameter* parameter : parameters) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto found = state.find(parameter->name() + "." + names[i]);
      if (found == state.end()) continue;
      if (static_cast<std::int64_t>(found->second.size()) != parameter->count()) {
        fail(ErrorKind::data,
             "the optimizer state '{}' has {} values, the parameter has {}: the checkpoint is of another model",
             found->first, found->second.size(), parameter->count());
      }
      slots_of(*parameter).tensors[i].assign(std::span<const float>(found->second));
      ++used;
    }
  }
  if (used != state.size()) {
    fail(ErrorKind::data, "the checkpoint holds {} pieces of optimizer state, {} of which fit this model and selection",
         state.size(), used);
  }
}

namespace {

class Adam : public Optimizer {
 public:
  explicit Adam(const AdamOptions& options) : options_(options) {}
  [[nodiscard]] std::string text() const override {
    return fmt::format("adam(beta1={:g}, beta2={:g}, epsilon={:g})", options_.beta1, options_.beta2, options_.epsilon);
  }

 protected:
  [[nodiscard]] std::vector<std::string> slot_names() const override { return {"m", "v"}; }
  void update(Backend& backend, Dtype master, const std::vector<UpdateSlot>& slots, double lr) override {
    backend.adam(master, slots, at(lr));
  }
  [[nodiscard]] double step_size(double lr) const override { return at(lr).step_size(); }

 private:
  [[nodiscard]] AdamStep at(double lr) const {
    return {.lr = lr, .beta1 = options_.beta1, .beta2 = options_.beta2, .epsilon = options_.epsilon, .step = steps_};
  }

  AdamOptions options_;
};

class Sgd : public Optimizer {
 public:
  explicit Sgd(const SgdOptions& options) : options_(options) {}
  [[nodiscard]] std::string text() const override {
    return fmt::format("sgd(momentum={:g}{})", options_.momentum, options_.nesterov ? ", nesterov" : "");
  }

 protected:
  [[nodiscard]] std::vector<std::string> slot_names() const override { return {"velocity"}; }
  void update(Backend& backend, Dtype master, const std::vector<UpdateSlot>& slots, double lr) override {
    backend.sgd(master, slots, {.lr = lr, .momentum = options_.momentum, .nesterov = options_.nesterov});
  }
  [[nodiscard]] double step_size(double lr) const override { return lr; }

 private:
  SgdOptions options_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adam(const AdamOptions& options) { return std::make_unique<Adam>(options); }
std::unique_ptr<Optimizer> make_sgd(const SgdOptions& options) { return std::make_unique<Sgd>(options); }

std::unique_ptr<Optimizer> make_optimizer(std::string_view name) {
  if (name == "adam") return make_adam();
  if (name == "sgd") return make_sgd();
  fail(ErrorKind::usage, "'{}' is no optimizer: choose adam or sgd", name);
}

}  // namespace thaw
