#pragma once

#include <string>

#include "kernels/cpu/onednn.h"
#include "kernels/problem.h"

namespace thaw {

/// A primitive of a convolution and the name of the oneDNN implementation behind it.
struct ConvKernel {
  onednn::Kernel kernel;
  std::string implementation;
};

// One primitive each for the whole problem, with `filter` as the layout of its filter (or filter gradient). They are
// made for as many threads as the calling thread has. All throw `dnnl::error` where oneDNN has nothing.

/// y = act(x * w + bias + residual), where y holds the residual beforehand and act is one that `fuses`.
ConvKernel make_forward(const dnnl::engine& engine, const ConvProblem& problem, const dnnl::memory::desc& filter);

/// dx from dy.
ConvKernel make_data(const dnnl::engine& engine, const ConvProblem& problem, const dnnl::memory::desc& filter);

/// dw from x and dy.
ConvKernel make_filter(const dnnl::engine& engine, const ConvProblem& problem, const dnnl::memory::desc& filter);

/// dw (K,C) = dy^T (K,M) x (M,C) of a row product, as a matmul: source dy, weights x, destination dw. `filter` is the
/// master filter's layout whatever is asked for.
ConvKernel make_filter_matmul(const dnnl::engine& engine, const ConvProblem& problem, const dnnl::memory::desc& filter);

}  // namespace thaw
