#include "framework/autograd.h"

#include <algorithm>
#include <unordered_set>

#include "kernels/error.h"

namespace thaw {

void Gradient::accumulate(const Tensor& contribution) {
  if (!value.defined()) {
    value = contribution;
    return;
  }
  if (value.shape() != contribution.shape() || value.dtype() != contribution.dtype()) {
    fail(ErrorKind::failed, "[autograd] a gradient of shape {} met one of shape {}", value.shape().text(),
         contribution.shape().text());
  }
  Tensor sum = value.sole_owner() ? value : Tensor::empty(value.backend(), value.shape(), value.dtype());
  value.backend()->add(value.dtype(), value.numel(), value.data(), contribution.data(), sum.data());
  value = std::move(sum);
}

void Tape::record(std::string_view op, std::vector<Tensor> saved, const Var& out,
                  std::function<void(const Tensor& dy)> backward) {
  entries_.push_back({std::string(op), std::move(saved), out.gradient(), std::move(backward)});
}

void Tape::backward() {
  while (!entries_.empty()) {
    const Entry entry = std::move(entries_.back());
    entries_.pop_back();
    if (entry.out == nullptr) {
      entry.backward(Tensor());
    } else if (entry.out->value.defined()) {
      entry.backward(entry.out->value);
    }
  }
}

std::vector<std::string> Tape::ops() const {
  std::vector<std::string> names;
  std::transform(entries_.begin(), entries_.end(), std::back_inserter(names), [](const Entry& e) { return e.op; });
  return names;
}

std::size_t Tape::saved_bytes() const {
  std::unordered_set<const void*> seen;
  std::size_t bytes = 0;
  for (const Entry& entry : entries_) {
    for (const Tensor& tensor : entry.saved) {
      if (tensor.defined() && seen.insert(tensor.storage_id()).second) bytes += tensor.bytes();
    }
  }
  return bytes;
}

bool Context::wants_grad(std::initializer_list<const Var*> inputs) const {
  return tape != nullptr && std::any_of(inputs.begin(), inputs.end(), [](const Var* v) { return v->wants_grad(); });
}

Var Context::output(Tensor value, std::initializer_list<const Var*> inputs) const {
  return Var(std::move(value), wants_grad(inputs) ? std::make_shared<Gradient>() : nullptr);
}

}  // namespace thaw
