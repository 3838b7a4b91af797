#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace thaw::cuda {

/// Blocks of device memory for work in one stream. Ranges are taken from the device in large pieces and kept; blocks
/// are handed out of them best fit, and a released one can be handed out at once, because what uses it next comes later
/// in the stream. So a warmed training step asks the driver for nothing, and a captured graph finds its addresses
/// again. With `guard`, every block is the device's own allocation between two bands, filled with NaN patterns (0xFF)
/// before and after its use; a broken band is thrown by the next `allocate` or `check`. Safe to use from several
/// threads.
class DeviceMemory {
 public:
  static constexpr std::size_t alignment = 256;

  DeviceMemory(RawMemory& raw, bool guard) : raw_(raw), guard_(guard) {}
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// Aligned to `alignment`. Throws `Error` (failed) naming the request, the largest blocks in use and the way out
  /// where the device is full.
  void* allocate(std::size_t bytes);
  void release(void* block) noexcept;
  /// Bytes of a block in use, at least as many as were asked for; 0 where there is none at this address.
  [[nodiscard]] std::size_t bytes_of(void* block) const noexcept;
  /// Throws `Error` (failed) where a kernel wrote outside a block, live or released.
  void check();
  [[nodiscard]] BackendStats stats() const;

 private:
  struct Piece {
    std::size_t size;
    bool used;
  };

  std::byte* fresh_range(std::size_t size);
  std::byte* piece_of(std::size_t size);
  [[noreturn]] void fail_full(std::size_t bytes) const;
  [[nodiscard]] bool band_is_broken(const std::byte* block, std::size_t size);
  void throw_remembered();

  RawMemory& raw_;
  const bool guard_;
  mutable std::mutex mutex_;
  std::vector<std::byte*> ranges_;
  std::map<std::byte*, Piece> pieces_;  // of all ranges; a range's first piece is never joined with what lies before
  BackendStats stats_;
  std::string remembered_;
};

/// A block that goes back at the end of the scope.
class Block {
 public:
  Block() = default;
  Block(DeviceMemory& memory, std::size_t bytes) : memory_(&memory), data_(memory.allocate(bytes)), bytes_(bytes) {}
  ~Block() {
    if (memory_ != nullptr) memory_->release(data_);
  }
  Block(Block&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), data_(other.data_), bytes_(other.bytes_) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  [[nodiscard]] void* data() const { return memory_ == nullptr ? nullptr : data_; }
  [[nodiscard]] std::size_t bytes() const { return memory_ == nullptr ? 0 : bytes_; }

 private:
  DeviceMemory* memory_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace thaw::cuda
