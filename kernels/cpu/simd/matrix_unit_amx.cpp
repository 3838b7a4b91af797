#define THAW_SIMD_ISA amx
#include "kernels/cpu/simd/matrix_unit_filter.h"
#include "kernels/cpu/simd/matrix_unit_rows.h"

namespace thaw::simd::amx {

extern const MatrixUnit unit;
const MatrixUnit unit = {.pack_panels = pack_panels, .row_product = row_product, .filter_product = filter_product};

}  // namespace thaw::simd::amx
