#define THAW_SIMD_ISA baseline
#include "kernels/cpu/simd/table.h"
