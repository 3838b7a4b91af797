#pragma once

namespace thaw::cuda::emulation {

/// Set: blocks, and the threads of a block between two barriers, run from the last to the first. A kernel whose results
/// depend on that has a race, within a block or between blocks.
inline bool backwards = false;

/// While it lives, kernels run backwards.
class Backwards {
 public:
  Backwards() { backwards = true; }
  ~Backwards() { backwards = false; }
  Backwards(const Backwards&) = delete;
  Backwards& operator=(const Backwards&) = delete;
};

}  // namespace thaw::cuda::emulation
