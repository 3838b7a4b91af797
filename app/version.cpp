#include "app/version.h"

namespace thaw {

std::string_view version() { return THAW_VERSION; }

}  // namespace thaw
