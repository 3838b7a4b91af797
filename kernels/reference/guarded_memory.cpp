#include "kernels/reference/guarded_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/error.h"

namespace thaw::reference {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kBand = 64;
constexpr unsigned char kBandByte = 0xA5;
constexpr int kPoison = 0xFF;  // all bits set is a NaN in f64, f32 and bf16

bool intact(const unsigned char* band) {
  return std::all_of(band, band + kBand, [](unsigned char byte) { return byte == kBandByte; });
}

}  // namespace

GuardedMemory::~GuardedMemory() {
  for (const auto& [block, bytes] : blocks_) std::free(static_cast<char*>(block) - (poison_ ? kBand : 0));
}

void* GuardedMemory::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  throw_remembered();
  const std::size_t bands = poison_ ? 2 * kBand : 0;
  const std::size_t whole = (std::max<std::size_t>(bytes, 1) + bands + kAlignment - 1) / kAlignment * kAlignment;
  auto* start = static_cast<char*>(whole < bytes ? nullptr : std::aligned_alloc(kAlignment, whole));
  if (start == nullptr) {
    fail(ErrorKind::failed,
         "[allocate] no memory for {} bytes with {} bytes in use; choose a smaller --batch or --size", bytes,
         stats_.used_bytes);
  }
  char* block = start + bands / 2;
  if (poison_) {
    std::memset(start, kBandByte, kBand);
    std::memset(block, kPoison, bytes);
    std::memset(block + bytes, kBandByte, kBand);
  }
  blocks_.emplace(block, bytes);
  stats_.used_bytes += bytes;
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.used_bytes);
  return block;
}

void GuardedMemory::release(void* block) noexcept {
  if (block == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(block);
  if (found == blocks_.end()) {
    if (remembered_.empty()) remembered_ = "a block was released that is not allocated (released twice?)";
    return;
  }
  const std::size_t bytes = found->second;
  if (poison_) {
    if (remembered_.empty()) remembered_ = broken_band(block, bytes);
    std::memset(block, kPoison, bytes);
  }
  blocks_.erase(found);
  stats_.used_bytes -= bytes;
  std::free(static_cast<char*>(block) - (poison_ ? kBand : 0));
}

void GuardedMemory::check() {
  const std::lock_guard lock(mutex_);
  if (poison_ && remembered_.empty()) {
    for (const auto& [block, bytes] : blocks_) {
      remembered_ = broken_band(block, bytes);
      if (!remembered_.empty()) break;
    }
  }
  throw_remembered();
}

BackendStats GuardedMemory::stats() const {
  const std::lock_guard lock(mutex_);
  BackendStats stats = stats_;
  stats.reserved_bytes = stats.peak_bytes;  // nothing is pooled: the most ever taken from the system
  return stats;
}

std::string GuardedMemory::broken_band(const void* block, std::size_t bytes) const {
  const auto* start = static_cast<const unsigned char*>(block);
  const bool before = !intact(start - kBand);
  if (!before && intact(start + bytes)) return "";
  return fmt::format("a call wrote {} the {} bytes of a block", before ? "before" : "behind", bytes);
}

void GuardedMemory::throw_remembered() {
  if (remembered_.empty()) return;
  const std::string what = std::exchange(remembered_, "");
  fail(ErrorKind::failed, "[memory] {}; run the calls before this one singly to find the culprit", what);
}

}  // namespace thaw::reference
