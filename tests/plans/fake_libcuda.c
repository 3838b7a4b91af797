/* A stand-in for the driver's libcuda.so.1, for the process of the plan tests only. cuDNN's engines that are compiled at
 * run time ask for a driver to load their code into before they call a plan finished. The calls that load say here that
 * all went well and hand out a pointer that is never used; the others say that there is no device. It must never lie
 * where a real driver could be found. */
#include <stddef.h>

enum { success = 0, no_device = 100 };

static int placeholder;

#define LOADS(name)                     \
  int name(void** object);              \
  int name(void** object) {             \
    if (object) *object = &placeholder; \
    return success;                     \
  }
#define SUCCEEDS(name) \
  int name(void);      \
  int name(void) { return success; }
#define READS(name, number)        \
  int name(int* value);            \
  int name(int* value) {           \
    if (value) *value = number;    \
    return success;                \
  }
#define SAYS(name)                                 \
  int name(int status, const char** text);         \
  int name(int status, const char** text) {        \
    if (text) *text = status ? "no driver" : "ok"; \
    return success;                                \
  }
#define REFUSES(name) \
  int name(void);     \
  int name(void) { return no_device; }

SUCCEEDS(cuInit)
SAYS(cuGetErrorName)
SAYS(cuGetErrorString)

LOADS(cuLibraryLoadData)
LOADS(cuLibraryGetKernel)
LOADS(cuKernelGetFunction)
LOADS(cuModuleLoadData)
LOADS(cuModuleGetFunction)
SUCCEEDS(cuLibraryUnload)
SUCCEEDS(cuKernelSetAttribute)
SUCCEEDS(cuFuncSetAttribute)
READS(cuFuncGetAttribute, 0)
READS(cuKernelGetAttribute, 0)
READS(cuOccupancyMaxPotentialClusterSize, 8)

REFUSES(cuGetExportTable)
REFUSES(cuGetProcAddress)
REFUSES(cuDriverGetVersion)
REFUSES(cuDeviceGet)
REFUSES(cuDeviceGetCount)
REFUSES(cuDeviceGetAttribute)
REFUSES(cuCtxGetCurrent)
REFUSES(cuCtxGetLimit)
REFUSES(cuCtxPopCurrent)
REFUSES(cuCtxPushCurrent)
REFUSES(cuStreamGetCtx)
REFUSES(cuLaunchKernel)
REFUSES(cuLaunchKernelEx)
REFUSES(cuLaunchCooperativeKernel)
REFUSES(cuLibraryLoadFromFile)
REFUSES(cuLinkCreate)
REFUSES(cuLinkAddData)
REFUSES(cuLinkComplete)
REFUSES(cuLinkDestroy)
REFUSES(cuTensorMapEncodeTiled)
REFUSES(cuTensorMapEncodeIm2col)
