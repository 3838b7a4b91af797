#include "kernels/cpu/onednn.h"

#include <algorithm>
#include <cassert>
#include <unordered_map>

namespace thaw::onednn {

namespace {

using dnnl::memory;
using Dim = memory::dim;
using Tag = memory::format_tag;

memory::dims filter_dims(const ConvProblem& p) {
  if (p.groups == 1) return {p.k, p.c, p.r, p.s};
  return {p.groups, p.k / p.groups, p.c / p.groups, p.r, p.s};
}

}  // namespace

const memory::desc& Kernel::operand(int argument) const {
  const auto found = std::find_if(operands.begin(), operands.end(), [=](const auto& o) { return o.first == argument; });
  assert(found != operands.end());
  return found->second;
}

memory::data_type data_type(Dtype dtype) {
  return dtype == Dtype::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

memory::desc input_desc(const ConvProblem& p) { return {{p.n, p.c, p.h, p.w}, data_type(p.dtype), Tag::nhwc}; }

memory::desc output_desc(const ConvProblem& p) { return {{p.n, p.k, p.p(), p.q()}, data_type(p.dtype), Tag::nhwc}; }

memory::desc any_filter(const ConvProblem& p, memory::data_type type) { return {filter_dims(p), type, Tag::any}; }

memory::desc master_filter(const ConvProblem& p) {
  const Dim c = p.c / p.groups;
  const Dim filter = c * p.r * p.s;
  memory::dims strides = {filter, 1, p.s * c, c};
  if (p.groups > 1) strides.insert(strides.begin(), filter * (p.k / p.groups));
  return {filter_dims(p), memory::data_type::f32, strides};
}

memory::desc transposed_filter(const ConvProblem& p) {
  // The original convolution has c and k exchanged: its filter is (C,R,S,K/groups) in the letters of `p`.
  const Dim inner = p.k / p.groups;
  const Dim filter = inner * p.r * p.s;
  memory::dims strides = {1, filter, p.s * inner, inner};
  if (p.groups > 1) strides.insert(strides.begin(), filter * (p.c / p.groups));
  return {filter_dims(p), memory::data_type::f32, strides};
}

Window window(const ConvProblem& p) {
  return {{p.stride, p.stride}, {p.pad.top, p.pad.left}, {p.pad.bottom, p.pad.right}};
}

Kernel make_reorder(const dnnl::engine& engine, const memory::desc& from, const memory::desc& to) {
  const dnnl::reorder::primitive_desc description(engine, from, engine, to, user_scratchpad());
  return {dnnl::reorder(description), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}, description.scratchpad_desc()};
}

void execute(const Kernel& kernel, const dnnl::engine& engine,
             std::initializer_list<std::pair<int, const void*>> pointers, void* scratchpad) {
  std::unordered_map<int, memory> arguments;
  for (const auto& [argument, pointer] : pointers) {
    if (pointer == nullptr) continue;
    // oneDNN's handles are not const; it writes to outputs only.
    arguments.emplace(argument, memory(kernel.operand(argument), engine, const_cast<void*>(pointer)));
  }
  arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(kernel.scratchpad, engine, scratchpad));
  dnnl::stream stream(engine);
  kernel.primitive.execute(stream, arguments);
  stream.wait();
}

}  // namespace thaw::onednn
