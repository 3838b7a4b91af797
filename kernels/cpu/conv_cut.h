#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/problem.h"

namespace thaw {

/// A part of a convolution that one thread computes: a smaller problem and where its operands begin, in elements.
struct ConvPart {
  ConvProblem problem;
  std::int64_t input = 0;
  std::int64_t output = 0;
};

/// Whether each output pixel is a product of one input pixel: a matrix product over rows.
bool is_rows(const ConvProblem& problem);

/// The same product as one image of one line: (N,H,W,C) is (1,1,N*H*W,C). Needs `is_rows`.
ConvProblem as_rows(const ConvProblem& problem);

/// dx = dy * w' as a convolution with w'(C,R,S,K)[c,r,s,k] = w[k,R-1-r,S-1-s,c], for stride 1, without bias, residual
/// and activation.
ConvProblem input_gradient(const ConvProblem& problem);

/// Cuts the images into at most `shards` parts of nearly equal size; a row product is cut by rows. Nothing is added
/// across parts, except in the filter gradient.
std::vector<ConvPart> cut_batch(const ConvProblem& problem, std::size_t shards);

/// As `cut_batch`; with fewer images than shards the output lines of each image are cut as well, where the problem
/// allows it.
std::vector<ConvPart> cut_lines(const ConvProblem& problem, std::size_t shards);

}  // namespace thaw
