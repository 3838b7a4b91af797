#define THAW_SIMD_ISA avx2
#include "kernels/cpu/simd/product_table.h"
