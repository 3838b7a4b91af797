#define THAW_SIMD_ISA avx512
#include "kernels/cpu/simd/table.h"
