#pragma once

#include <cstddef>

#include "kernels/problem.h"

namespace thaw {

// A 1x1 convolution with a stride reads every stride-th pixel only. oneDNN's gradients of it are several times slower
// than those of a dense product, so the pixels are gathered first, or scattered afterwards.

/// Whether the problem is a 1x1 convolution with a stride and without padding.
bool is_strided_rows(const ConvProblem& problem);

/// The same convolution over the gathered pixels: input (N,P,Q,C), stride 1.
ConvProblem without_stride(const ConvProblem& problem);

/// x (N,H,W,C) -> compact (N,P,Q,C): the pixels that the convolution reads.
void gather_pixels(const ConvProblem& problem, const std::byte* x, std::byte* compact);

/// compact (N,P,Q,C) -> dx (N,H,W,C), zeros elsewhere.
void scatter_pixels(const ConvProblem& problem, const std::byte* compact, std::byte* dx);

}  // namespace thaw
