#define THAW_SIMD_ISA avx512
#include "kernels/cpu/simd/product_table.h"
