#pragma once

#include "kernels/cpu/simd/product_filter.h"
#include "kernels/cpu/simd/product_rows.h"
#include "kernels/cpu/simd/winograd.h"
#include "kernels/cpu/simd/winograd_filter_gradient.h"

namespace thaw::simd::THAW_SIMD_ISA {

/// The products of the instruction set that this file is compiled for.
extern const ProductKernels product_kernels;
const ProductKernels product_kernels = {
    .pack_panels = pack_panels,
    .row_product = row_product,
    .filter_product = filter_product,
    .winograd_filter = winograd_filter,
    .winograd_forward = winograd_forward,
    .winograd_filter_gradient = winograd_filter_gradient,
};

}  // namespace thaw::simd::THAW_SIMD_ISA
