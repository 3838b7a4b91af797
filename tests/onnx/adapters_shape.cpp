#include <algorithm>
#include <numeric>

#include "kernels/error.h"
#include "tests/onnx/adapter.h"

namespace thaw::test {

namespace {

Outputs with_shape(const Call& call, const Dims& shape) {
  const Array& x = call.real(0);
  need(x.rank() <= 4 && shape.size() <= 4, "more than four axes");
  need(x.count() > 0, "a tensor without elements");
  const Var y = reshape(call.ctx, activations(call.ctx, x), shape_of(shape));
  return {to_host(y.value(), shape)};
}

Outputs flatten(const Call& call) {
  const Array& x = call.real(0);
  const std::int64_t axis = call.node.integer("axis", 1);
  const auto first = static_cast<std::ptrdiff_t>(axis < 0 ? axis + static_cast<std::int64_t>(x.rank()) : axis);
  const std::int64_t rows =
      std::accumulate(x.shape.begin(), x.shape.begin() + first, std::int64_t{1}, std::multiplies<>());
  return with_shape(call, {rows, x.count() / rows});
}

/// 0 keeps an axis, -1 takes what is left.
Outputs reshape_node(const Call& call) {
  const Array& x = call.real(0);
  need(x.count() > 0, "a tensor without elements");
  Dims shape(call.input(1).values.begin(), call.input(1).values.end());
  std::int64_t known = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) shape[i] = x.shape.at(i);
    if (shape[i] > 0) known *= shape[i];
  }
  std::replace(shape.begin(), shape.end(), std::int64_t{-1}, x.count() / known);
  return with_shape(call, shape);
}

/// Pads before opset 11 are an attribute, an input since; so is the value.
Outputs pad(const Call& call) {
  const Array& x = call.input(0);
  const std::string mode = call.node.text("mode", "constant");
  need(mode == "constant", "padding by {}: thaw pads with zeros", mode);
  const double value = call.has(2) ? call.input(2).values.at(0) : call.node.real("value", 0);
  need(value == 0, "padding with {}: thaw pads with zeros", value);
  static_cast<void>(call.real(0));
  Dims pads = call.node.integers("pads", {});
  if (call.has(1)) pads.assign(call.input(1).values.begin(), call.input(1).values.end());
  need(x.rank() == 4 && pads.size() == 8 && pads.at(0) == 0 && pads.at(1) == 0 && pads.at(4) == 0 && pads.at(5) == 0,
       "padding of other axes than a picture's");
  const Pad border{.top = static_cast<int>(pads[2]),
                   .bottom = static_cast<int>(pads[6]),
                   .left = static_cast<int>(pads[3]),
                   .right = static_cast<int>(pads[7])};
  const Var y = zero_pad(call.ctx, activations(call.ctx, channels_last(x)), border);
  return {channels_first(to_host(y.value(), y.shape().to_vector()))};
}

/// In inference thaw's op is the identity; in training the kernel runs with rate 0. The mask is not an output of thaw.
Outputs dropout_node(const Call& call) {
  const Array& x = call.real(0);
  const double rate = call.has(1) ? call.input(1).values.at(0) : call.node.real("ratio", 0.5);
  const bool training = call.has(2) && call.input(2).values.at(0) != 0;
  need(!training || rate == 0, "a random mask: thaw's is another function of the seed");
  Context& ctx = call.ctx;
  Outputs out(call.node.outputs.size());
  const Var in = activations(ctx, x);
  if (training) {
    const Tensor y = ctx.empty(in.shape());
    ctx.backend->dropout(ctx.dtype, x.count(), 0.0F, ctx.seed, in.value().data(), y.data());
    out[0] = to_host(y, x.shape);
  } else {
    out[0] = to_host(dropout(ctx, in, rate).value(), x.shape);
  }
  return out;
}

Dtype dtype_of(Element element) {
  switch (element) {
    case Element::f32: return Dtype::f32;
    case Element::f64: return Dtype::f64;
    case Element::bf16: return Dtype::bf16;
    default: throw NotApplicable{fmt::format("{}: thaw casts between f32, bf16 and f64", name_of(element))};
  }
}

Outputs cast_to(const Call& call, Element element) {
  const Array& x = call.input(0);
  const Dtype from = dtype_of(x.element);
  const Dtype to = dtype_of(element);
  need(to != Dtype::bf16, "the case cuts to bf16: thaw rounds to nearest even");
  Context& ctx = call.ctx;
  const Tensor in = Tensor::from_host(ctx.backend, shape_of(x.shape), from, std::span<const double>(x.values));
  return {to_host(cast(ctx, Var(in), to).value(), x.shape, element)};
}

Outputs cast_node(const Call& call) { return cast_to(call, static_cast<Element>(call.node.integer("to", 0))); }
Outputs cast_like(const Call& call) { return cast_to(call, call.input(1).element); }

}  // namespace

Adapters shape_adapters() {
  return {{"Flatten", flatten},      {"Reshape", reshape_node}, {"Pad", pad},
          {"Dropout", dropout_node}, {"Cast", cast_node},       {"CastLike", cast_like}};
}

}  // namespace thaw::test
