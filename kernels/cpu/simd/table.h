#pragma once

#include "kernels/cpu/simd/depthwise.h"
#include "kernels/cpu/simd/depthwise_data.h"
#include "kernels/cpu/simd/depthwise_filter.h"
#include "kernels/cpu/simd/elementwise.h"
#include "kernels/cpu/simd/norm.h"
#include "kernels/cpu/simd/norm_backward.h"
#include "kernels/cpu/simd/pool.h"
#include "kernels/cpu/simd/reduce.h"
#include "kernels/cpu/simd/update.h"

namespace thaw::simd::THAW_SIMD_ISA {

#define THAW_SIMD_TEXT_OF(x) #x
#define THAW_SIMD_TEXT(x) THAW_SIMD_TEXT_OF(x)

/// From a translation unit of its own.
extern const ProductKernels product_kernels;

/// The kernels of the instruction set that this file is compiled for.
extern const SimdKernels kernels;
const SimdKernels kernels = {
    .name = THAW_SIMD_TEXT(THAW_SIMD_ISA),
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .add = add,
    .scale_forward = scale_forward,
    .scale_backward = scale_backward,
    .cast = cast,
    .preprocess = preprocess,
    .dropout = dropout,
    .sum_rows = sum_rows,
    .sum_squares = sum_squares,
    .softmax_cross_entropy = softmax_cross_entropy,
    .adam = adam,
    .sgd = sgd,
    .depthwise_forward = depthwise_forward,
    .depthwise_backward_data = depthwise_backward_data,
    .depthwise_backward_filter = depthwise_backward_filter,
    .pool_forward = pool_forward,
    .pool_backward = pool_backward,
    .pad_forward = pad_forward,
    .pad_backward = pad_backward,
    .products = product_kernels,
};

}  // namespace thaw::simd::THAW_SIMD_ISA
