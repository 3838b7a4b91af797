#include "framework/parameter.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "kernels/pointwise.h"

namespace thaw {

namespace {

/// FNV-1a, 64 bit: the stream of random numbers that belongs to a name.
std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char ch : name) hash = (hash ^ static_cast<unsigned char>(ch)) * 0x100000001b3ULL;
  return hash;
}

std::vector<double> initial_values(std::int64_t count, const Init& init, std::uint64_t stream) {
  std::vector<double> values(static_cast<std::size_t>(count), init.value);
  if (init.kind == Init::Kind::glorot_uniform) {
    const double limit = std::sqrt(6.0 / static_cast<double>(init.fan_in + init.fan_out));
    std::uint64_t counter = 0;
    for (double& value : values) value = limit * (2.0 * pointwise::uniform(stream, counter++) - 1.0);
  }
  return values;
}

}  // namespace

Parameter::Parameter(std::string name, ParameterKind kind, Tensor value)
    : name_(std::move(name)), kind_(kind), value_(std::move(value)) {
  set_frozen(false);
}

void Parameter::set_frozen(bool frozen) {
  frozen_ = frozen;
  if (frozen || kind_ == ParameterKind::statistic) {
    gradient_ = nullptr;
  } else if (gradient_ == nullptr) {
    gradient_ = std::make_shared<Gradient>();
  }
}

void Parameter::clear_gradient() {
  if (gradient_) gradient_->value = Tensor();
}

void Parameter::assign(std::span<const float> values) {
  value_.assign(values);
  mark_changed();
}

ParameterStore::ParameterStore(std::shared_ptr<Backend> backend, Dtype master, std::uint64_t seed)
    : backend_(std::move(backend)), master_(master), seed_(seed) {}

Parameter& ParameterStore::create(const std::string& name, ParameterKind kind, const Shape& shape, const Init& init) {
  if (find(name) != nullptr) fail(ErrorKind::usage, "[parameters] '{}' exists already", name);
  const std::vector<double> values = initial_values(shape.numel(), init, seed_ ^ hash_of(name));
  return parameters_.emplace_back(name, kind, Tensor::from_host(backend_, shape, master_, std::span(values)));
}

Parameter* ParameterStore::find(std::string_view name) {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const auto& p) { return p.name() == name; });
  return found == parameters_.end() ? nullptr : &*found;
}

std::vector<Parameter*> ParameterStore::trainable() {
  std::vector<Parameter*> out;
  for (Parameter& parameter : parameters_) {
    if (parameter.trainable()) out.push_back(&parameter);
  }
  return out;
}

std::int64_t ParameterStore::trainable_count() const {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.trainable() ? parameter.count() : 0;
  return count;
}

void ParameterStore::clear_gradients() {
  for (Parameter& parameter : parameters_) parameter.clear_gradient();
}

Parameter& Scope::weight(std::string_view leaf, const Shape& shape, const Init& init) const {
  return store_->create(fmt::format("{}/{}", name_, leaf), ParameterKind::weight, shape, init);
}

Parameter& Scope::statistic(std::string_view leaf, const Shape& shape, const Init& init) const {
  return store_->create(fmt::format("{}/{}", name_, leaf), ParameterKind::statistic, shape, init);
}

}  // namespace thaw
