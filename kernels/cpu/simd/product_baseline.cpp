#define THAW_SIMD_ISA baseline
#include "kernels/cpu/simd/product_table.h"
