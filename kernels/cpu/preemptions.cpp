#include "kernels/cpu/preemptions.h"

#include <sys/resource.h>

namespace thaw {

long PreemptionWatch::switches() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

}  // namespace thaw
