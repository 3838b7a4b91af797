/* A stand-in for the driver's libnvidia-ml.so.1 with one GPU, for the tests of kernels/cuda/gpu_clocks. */
#include <string.h>

enum { success = 0, not_found = 6 };

static int gpu;

int nvmlInit_v2(void);
int nvmlInit_v2(void) { return success; }
int nvmlShutdown(void);
int nvmlShutdown(void) { return success; }

int nvmlDeviceGetHandleByPciBusId_v2(const char* address, void** device);
int nvmlDeviceGetHandleByPciBusId_v2(const char* address, void** device) {
  if (strcmp(address, "0000:17:00.0") != 0) return not_found;
  *device = &gpu;
  return success;
}

int nvmlDeviceGetClockInfo(void* device, int kind, unsigned* mhz);
int nvmlDeviceGetClockInfo(void* device, int kind, unsigned* mhz) {
  *mhz = device == &gpu && kind == 1 ? 1755 : 0; /* 1: of the multiprocessors */
  return success;
}

/* Under its older name, as drivers before R535 have it. */
int nvmlDeviceGetCurrentClocksThrottleReasons(void* device, unsigned long long* reasons);
int nvmlDeviceGetCurrentClocksThrottleReasons(void* device, unsigned long long* reasons) {
  *reasons = device == &gpu ? 0x24 : 0; /* power cap and heat */
  return success;
}
