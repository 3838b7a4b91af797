#pragma once

#include <ostream>

#include "kernels/error.h"

namespace thaw {

/// What the command `thaw` tells its caller; documented in the README.
enum ExitCode : int {
  exit_ok = 0,
  exit_failed = 1,       ///< the work itself failed: NaN loss, full disk
  exit_usage = 2,        ///< an impossible request
  exit_data = 3,         ///< bad photos or weights
  exit_device = 4,       ///< no such device, or it cannot do what was asked
  exit_mismatch = 5,     ///< a comparison did not hold
  exit_hangup = 129,     ///< stopped by SIGHUP; what was done is saved
  exit_interrupt = 130,  ///< stopped by SIGINT; what was done is saved
  exit_terminate = 143,  ///< stopped by SIGTERM; what was done is saved
};

ExitCode exit_code_of(ErrorKind kind);

/// The whole command: parses the arguments, runs what they ask for, prints reports to `out` and progress, notes and one
/// sentence an error to `err`, and returns the exit code. Throws nothing.
int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace thaw
