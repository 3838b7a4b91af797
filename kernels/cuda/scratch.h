#pragma once

#include <cstddef>

namespace thaw::cuda {

/// Memory for the length of a call, ordered by the stream of the cuDNN handle.
class ScratchMemory {
 public:
  virtual ~ScratchMemory() = default;
  /// Blocks are aligned to 256 bytes; a released one may be handed out again for later work of the stream.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* block) noexcept = 0;
};

/// A block that lives as long as the call that it is for; null for no bytes.
class Scratch {
 public:
  Scratch(ScratchMemory& memory, std::size_t bytes)
      : memory_(memory), block_(bytes > 0 ? memory.allocate(bytes) : nullptr) {}
  ~Scratch() {
    if (block_ != nullptr) memory_.release(block_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] void* get() const { return block_; }

 private:
  ScratchMemory& memory_;
  void* block_;
};

}  // namespace thaw::cuda
