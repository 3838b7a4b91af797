#pragma once

#include <cstddef>
#include <initializer_list>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "kernels/problem.h"

namespace thaw::onednn {

/// A oneDNN primitive with the layouts of its operands.
struct Kernel {
  dnnl::primitive primitive;
  std::vector<std::pair<int, dnnl::memory::desc>> operands;  ///< DNNL_ARG_* and layout
  dnnl::memory::desc scratchpad;

  [[nodiscard]] const dnnl::memory::desc& operand(int argument) const;
};

dnnl::memory::data_type data_type(Dtype dtype);

/// Attributes with which the caller provides the working memory.
dnnl::primitive_attr user_scratchpad();

/// Layout of x (N,H,W,C) and y (N,P,Q,K).
dnnl::memory::desc input_desc(const ConvProblem& problem);
dnnl::memory::desc output_desc(const ConvProblem& problem);

/// The filter as `type` in the order that the primitive likes best.
dnnl::memory::desc any_filter(const ConvProblem& problem, dnnl::memory::data_type type);
/// The master filter (K,R,S,C/groups) f32 as oneDNN names its axes.
dnnl::memory::desc master_filter(const ConvProblem& problem);
/// The filter of `problem` seen in the (K,R,S,C/groups) f32 filter of the convolution whose gradient it computes: input
/// and output channels change places. Rows and columns still have to be turned round.
dnnl::memory::desc transposed_filter(const ConvProblem& problem);

struct Window {
  dnnl::memory::dims strides, pad_begin, pad_end;
};
Window window(const ConvProblem& problem);

/// Moves bytes from one layout and type to another.
Kernel make_reorder(const dnnl::engine& engine, const dnnl::memory::desc& from, const dnnl::memory::desc& to);

/// Runs a primitive on (argument, pointer) pairs and waits for it.
void execute(const Kernel& kernel, const dnnl::engine& engine,
             std::initializer_list<std::pair<int, const void*>> pointers, void* scratchpad);

}  // namespace thaw::onednn
