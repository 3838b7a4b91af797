#pragma once

#include <functional>

#include "kernels/cuda/gpu.h"

namespace thaw::cuda {

/// The best of a few runs after two that warm up.
double best_seconds(Gpu& gpu, const std::function<void()>& work);

}  // namespace thaw::cuda
