#define THAW_SIMD_ISA avx512_bf16
#include "kernels/cpu/simd/product_table.h"
