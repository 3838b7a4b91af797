#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace thaw {

/// The alignment of every block, in bytes: a cache line and the widest vector.
constexpr std::size_t kBlockAlignment = 64;

/// `bytes` rounded up to whole alignments, so that several operands can share one block.
constexpr std::size_t to_blocks(std::size_t bytes) {
  return (bytes + kBlockAlignment - 1) / kBlockAlignment * kBlockAlignment;
}

/// Counters of an `Arena`, in bytes.
struct ArenaStats {
  std::size_t used = 0;      ///< handed out now
  std::size_t peak = 0;      ///< most ever handed out at once
  std::size_t reserved = 0;  ///< taken from the system
};

/// One range of memory from which blocks are handed out, best fit, free neighbours joined. What was once taken from the
/// system is kept until destruction: in a training step every block is reused, while giving pages back would cost a
/// page fault each at the next step. Thread-safe.
class Arena {
 public:
  /// At most `limit` bytes are ever used; 0: the machine's memory. With `poison`, fresh and released blocks are filled
  /// with 0xFF (NaN as a float of any width). Throws `Error` (failed) where no address range can be reserved.
  explicit Arena(std::size_t limit = 0, bool poison = false);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// A block of at least `bytes` bytes, aligned to 64 bytes. Throws `Error` (failed) naming the request, what is in use
  /// and the way out when the limit is reached.
  void* allocate(std::size_t bytes);
  /// Takes a block of `allocate` back; null is ignored.
  void release(void* block) noexcept;
  [[nodiscard]] ArenaStats stats() const;

 private:
  struct Piece {
    std::size_t offset;
    std::size_t size;
    bool free;
  };
  using Pieces = std::vector<Piece>;

  Pieces::iterator best_fit(std::size_t size);
  Pieces::iterator grow(std::size_t size);

  mutable std::mutex lock_;
  std::byte* base_ = nullptr;
  std::size_t range_ = 0;
  bool poison_;
  // In address order and without gaps up to stats_.reserved. Kept apart from the blocks: an overrun cannot break it,
  // and a warmed vector allocates nothing.
  Pieces pieces_;
  ArenaStats stats_;
};

/// A block that goes back to its arena at the end of the scope.
class Scratch {
 public:
  Scratch() = default;
  Scratch(std::shared_ptr<Arena> arena, std::size_t bytes);
  ~Scratch();
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&& other) noexcept;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(block_); }

 private:
  std::shared_ptr<Arena> arena_;
  void* block_ = nullptr;
};

}  // namespace thaw
