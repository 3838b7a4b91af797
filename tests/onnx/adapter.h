#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string_view>

#include "framework/ops.h"
#include "tests/onnx/layout.h"

namespace thaw::test {

/// Thrown by an adapter for a node that thaw's calls do not express, with what is missing.
struct NotApplicable {
  std::string reason;
};

template <class... Args>
void need(bool holds, fmt::format_string<Args...> otherwise, Args&&... args) {
  if (!holds) throw NotApplicable{fmt::format(otherwise, std::forward<Args>(args)...)};
}

/// A node to run: its inputs as host arrays, in ONNX' layout.
struct Call {
  Context& ctx;
  const Node& node;
  std::int64_t opset;
  std::vector<Array> inputs;

  [[nodiscard]] bool has(std::size_t i) const { return i < inputs.size() && inputs[i].element != Element::none; }
  /// Input i. Throws `Error` (data) where it is missing.
  [[nodiscard]] const Array& input(std::size_t i) const;
  /// Input i, which thaw can hold: f32 or f64 numbers, or not applicable.
  [[nodiscard]] const Array& real(std::size_t i) const;
};

/// Arrays of the node's outputs in order; one without element type is an output that thaw does not have, and nothing
/// is compared with it.
using Outputs = std::vector<Array>;

/// An adapter checks what the node wants (`need`), then moves the inputs into thaw's layout, lets thaw compute, and
/// moves the results back. Every sum and product of the result is a call of thaw: an adapter transposes, copies
/// (broadcasting), selects, counts from another base and translates constants (epsilon, alpha), nothing else.
using Adapter = std::function<Outputs(const Call&)>;

/// Adapters by ONNX' op name, one table a family of ops.
using Adapters = std::map<std::string_view, Adapter>;
Adapters conv_adapters();
Adapters pool_adapters();
Adapters norm_adapters();
Adapters dense_adapters();
Adapters pointwise_adapters();
Adapters loss_adapters();
Adapters optimizer_adapters();
Adapters shape_adapters();
Adapters reduce_adapters();
/// Ops that only move numbers: they run between thaw's calls, but test nothing of thaw by themselves.
Adapters move_adapters();

/// One axis of an array of this rank, counted from the end where negative.
std::size_t axis_in(std::int64_t axis, std::size_t rank);

/// x times a constant, by thaw's own channel scale.
Var scaled(Context& ctx, const Var& x, double factor);

/// Filter, stride and padding of a convolution or pooling node over pictures.
struct Window {
  int r = 1, s = 1;
  int stride = 1;
  Pad pad = {};
  bool ceiled = false;  ///< padded at the end so that a last partial window is counted (ceil_mode)
};
/// Reads the node's attributes for an input of (n,c,h,w); not applicable where thaw has no such window.
Window window_of(const Call& call, const Dims& kernel, std::int64_t h, std::int64_t w);

}  // namespace thaw::test
