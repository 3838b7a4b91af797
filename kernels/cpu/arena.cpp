#include "kernels/cpu/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "kernels/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace thaw {

namespace {

constexpr std::size_t kGrowth = std::size_t{16} << 20;
constexpr double kMegabyte = 1 << 20;

constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kRedZone = 64;  // behind every block, so that an overrun is reported
void forbid(void* p, std::size_t bytes) { __asan_poison_memory_region(p, bytes); }
void permit(void* p, std::size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
#else
constexpr std::size_t kRedZone = 0;
void forbid(void*, std::size_t) {}
void permit(void*, std::size_t) {}
#endif

std::size_t machine_memory() {
  return static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

Arena::Arena(std::size_t limit, bool poison) : poison_(poison) {
  range_ = round_up(limit != 0 ? limit : machine_memory(), kGrowth);
  // Address space only; pages become usable in grow(). A process may be allowed less address space than the machine has
  // memory, so smaller ranges are tried.
  for (; range_ >= kGrowth; range_ = round_up(range_ / 2, kGrowth)) {
    void* base = mmap(nullptr, range_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base != MAP_FAILED) {
      base_ = static_cast<std::byte*>(base);
#ifdef MADV_HUGEPAGE
      madvise(base_, range_, MADV_HUGEPAGE);  // a wish: fewer page faults and misses of the translation cache
#endif
      return;
    }
    if (range_ == kGrowth) break;
  }
  fail(ErrorKind::failed, "[cpu memory] the system gives no address space, not even {:.0f} MiB; raise 'ulimit -v'",
       static_cast<double>(kGrowth) / kMegabyte);
}

Arena::~Arena() {
  permit(base_, stats_.reserved);
  munmap(base_, range_);
}

Arena::Pieces::iterator Arena::best_fit(std::size_t size) {
  auto best = pieces_.end();
  for (auto it = pieces_.begin(); it != pieces_.end(); ++it) {
    if (it->free && it->size >= size && (best == pieces_.end() || it->size < best->size)) best = it;
  }
  return best;
}

Arena::Pieces::iterator Arena::grow(std::size_t size) {
  const bool tail_free = !pieces_.empty() && pieces_.back().free;
  const std::size_t missing = size - (tail_free ? pieces_.back().size : 0);
  const std::size_t step = std::min(round_up(missing, kGrowth), range_ - stats_.reserved);
  std::byte* fresh = base_ + stats_.reserved;
  if (step < missing || mprotect(fresh, step, PROT_READ | PROT_WRITE) != 0) {
    fail(ErrorKind::failed,
         "[cpu memory] {:.1f} MiB more are wanted, {:.1f} MiB are in use and {:.1f} MiB is the most that can be had; "
         "use a smaller --batch or --size, or freeze more layers",
         static_cast<double>(size) / kMegabyte, static_cast<double>(stats_.used) / kMegabyte,
         static_cast<double>(range_) / kMegabyte);
  }
  forbid(fresh, step);
  if (tail_free) {
    pieces_.back().size += step;
  } else {
    pieces_.push_back({stats_.reserved, step, true});
  }
  stats_.reserved += step;
  return pieces_.end() - 1;
}

void* Arena::allocate(std::size_t bytes) {
  const std::lock_guard lock(lock_);
  // A request near 2^64 (a size gone negative) must not wrap round to a small one.
  const std::size_t size = bytes < range_ ? to_blocks(std::max<std::size_t>(bytes, 1)) + kRedZone : bytes;
  auto piece = best_fit(size);
  if (piece == pieces_.end()) piece = grow(size);
  if (piece->size > size) {
    const Piece rest{piece->offset + size, piece->size - size, true};
    piece->size = size;
    piece = pieces_.insert(piece + 1, rest) - 1;
  }
  piece->free = false;
  stats_.used += size;
  stats_.peak = std::max(stats_.peak, stats_.used);
  std::byte* block = base_ + piece->offset;
  permit(block, bytes);
  if (poison_) std::memset(block, 0xFF, bytes);
  return block;
}

void Arena::release(void* block) noexcept {
  if (block == nullptr) return;
  const std::lock_guard lock(lock_);
  const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(block) - base_);
  auto piece = std::lower_bound(pieces_.begin(), pieces_.end(), offset,
                                [](const Piece& p, std::size_t value) { return p.offset < value; });
  assert(piece != pieces_.end() && piece->offset == offset && !piece->free);
  piece->free = true;
  stats_.used -= piece->size;
  if (poison_) {
    permit(block, piece->size);
    std::memset(block, 0xFF, piece->size);
  }
  forbid(block, piece->size);
  const auto next = piece + 1;
  if (next != pieces_.end() && next->free) {
    piece->size += next->size;
    pieces_.erase(next);
  }
  if (piece != pieces_.begin() && (piece - 1)->free) {
    (piece - 1)->size += piece->size;
    pieces_.erase(piece);
  }
}

ArenaStats Arena::stats() const {
  const std::lock_guard lock(lock_);
  return stats_;
}

Scratch::Scratch(std::shared_ptr<Arena> arena, std::size_t bytes) : arena_(std::move(arena)) {
  if (bytes != 0) block_ = arena_->allocate(bytes);
}

Scratch::~Scratch() {
  if (arena_) arena_->release(block_);
}

Scratch::Scratch(Scratch&& other) noexcept
    : arena_(std::move(other.arena_)), block_(std::exchange(other.block_, nullptr)) {}

Scratch& Scratch::operator=(Scratch&& other) noexcept {
  std::swap(arena_, other.arena_);
  std::swap(block_, other.block_);
  return *this;
}

}  // namespace thaw
