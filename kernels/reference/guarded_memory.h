#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

#include "kernels/backend.h"

namespace thaw::reference {

/// Plain aligned blocks of host memory. With `poison` a fresh or released block is full of NaN patterns (0xFF) and lies
/// between two guard bands of 64 bytes, checked when it is released. Safe to use from several threads.
class GuardedMemory {
 public:
  explicit GuardedMemory(bool poison) : poison_(poison) {}
  ~GuardedMemory();
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  /// Throws `Error` (failed) where the system has no memory left, and as `check` does.
  void* allocate(std::size_t bytes);
  /// A broken guard band or an unknown block is remembered and thrown by the next `allocate` or `check`.
  void release(void* block) noexcept;
  /// Checks the bands of every live block too. Throws `Error` (failed) naming the block's size and the broken side.
  void check();
  [[nodiscard]] BackendStats stats() const;

 private:
  [[nodiscard]] std::string broken_band(const void* block, std::size_t bytes) const;
  void throw_remembered();

  const bool poison_;
  mutable std::mutex mutex_;
  std::unordered_map<void*, std::size_t> blocks_;
  std::string remembered_;
  BackendStats stats_;
};

}  // namespace thaw::reference
