#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framework/autograd.h"

namespace thaw {

/// How a parameter starts (Keras' initialisers). Glorot: uniform in +-sqrt(6 / (fan_in + fan_out)).
struct Init {
  enum class Kind : std::uint8_t { constant, glorot_uniform } kind = Kind::constant;
  double value = 0;
  std::int64_t fan_in = 1;
  std::int64_t fan_out = 1;

  static Init zeros() { return {}; }
  static Init ones() { return {.value = 1}; }
  static Init glorot(std::int64_t fan_in, std::int64_t fan_out) {
    return {.kind = Kind::glorot_uniform, .fan_in = fan_in, .fan_out = fan_out};
  }
};

enum class ParameterKind : std::uint8_t {
  weight,     ///< learned: kernel, bias, gamma, beta
  statistic,  ///< moved by batch norm, never differentiated: moving_mean, moving_variance
};

/// A named value that a model owns, with its gradient and its frozen flag. Master-typed. The flag is the whole freezing
/// mechanism: a frozen parameter wants no gradient, so nothing is recorded, saved or updated for it.
class Parameter {
 public:
  Parameter(std::string name, ParameterKind kind, Tensor value);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] ParameterKind kind() const { return kind_; }
  [[nodiscard]] const Tensor& value() const { return value_; }
  [[nodiscard]] const Shape& shape() const { return value_.shape(); }
  [[nodiscard]] std::int64_t count() const { return value_.numel(); }

  [[nodiscard]] bool frozen() const { return frozen_; }
  void set_frozen(bool frozen);
  /// A weight that is not frozen.
  [[nodiscard]] bool trainable() const { return gradient_ != nullptr; }

  /// The gradient of the last backward pass; undefined before one and for frozen parameters.
  [[nodiscard]] Tensor gradient() const { return gradient_ ? gradient_->value : Tensor(); }
  void clear_gradient();
  /// This parameter as an op's input.
  [[nodiscard]] Var var() const { return Var(value_, gradient_); }

  /// Rises whenever the values change, so that what was derived from them (packed filters) can tell.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  void mark_changed() { ++version_; }
  /// New values in native order. Throws `Error` (usage) where the count does not match.
  void assign(std::span<const float> values);

 private:
  std::string name_;
  ParameterKind kind_;
  Tensor value_;
  bool frozen_ = false;
  std::shared_ptr<Gradient> gradient_;
  std::uint64_t version_ = 1;
};

/// All parameters of a model, in order of creation; their addresses are stable.
class ParameterStore {
 public:
  /// `seed` fixes every random initial value, together with the parameter's name.
  ParameterStore(std::shared_ptr<Backend> backend, Dtype master, std::uint64_t seed);

  Parameter& create(const std::string& name, ParameterKind kind, const Shape& shape, const Init& init);
  [[nodiscard]] Parameter* find(std::string_view name);
  [[nodiscard]] std::deque<Parameter>& all() { return parameters_; }
  [[nodiscard]] const std::deque<Parameter>& all() const { return parameters_; }
  [[nodiscard]] std::vector<Parameter*> trainable();
  [[nodiscard]] std::int64_t trainable_count() const;
  void clear_gradients();
  [[nodiscard]] const std::shared_ptr<Backend>& backend() const { return backend_; }

 private:
  std::shared_ptr<Backend> backend_;
  Dtype master_;
  std::uint64_t seed_;
  std::deque<Parameter> parameters_;
};

/// A place in the tree of names: layers create their parameters as `scope.name()/kernel`.
class Scope {
 public:
  Scope(ParameterStore& store, std::string name) : store_(&store), name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] ParameterStore& store() const { return *store_; }
  /// A scope for another layer of the same model.
  [[nodiscard]] Scope layer(std::string_view layer_name) const { return {*store_, std::string(layer_name)}; }
  [[nodiscard]] Parameter& weight(std::string_view leaf, const Shape& shape, const Init& init) const;
  [[nodiscard]] Parameter& statistic(std::string_view leaf, const Shape& shape, const Init& init) const;

 private:
  ParameterStore* store_;
  std::string name_;
};

}  // namespace thaw
