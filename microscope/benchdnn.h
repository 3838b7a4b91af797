#pragma once

#include <string>
#include <string_view>

#include "kernels/problem.h"

namespace thaw::microscope {

/// A convolution as oneDNN's benchdnn writes it, e.g. `g1mb32ic64ih56oc64oh56kh3ph1n"res2a"`.
struct BenchdnnProblem {
  ConvProblem problem;
  std::string name;  ///< behind `n`, without quotes
};

/// Whether a text looks like benchdnn's rather than thaw's own, which begins with the batch, `n`.
bool looks_like_benchdnn(std::string_view text);

/// Reads benchdnn's grammar with its defaults: one group, two images, stride 1; an axis that is left out is like the
/// one before it; an output that is left out follows from the rest with padding 0; a padding that is left out follows
/// from the output. What is missing on the far side of the picture becomes padding there. `_` is ignored.
/// Throws `Error` (usage) for other texts and for what thaw's convolutions have not: depth, dilation, two strides.
BenchdnnProblem parse_benchdnn(std::string_view text);

}  // namespace thaw::microscope
