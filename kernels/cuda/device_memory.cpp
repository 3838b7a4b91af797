#include "kernels/cuda/device_memory.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "kernels/error.h"

namespace thaw::cuda {

namespace {

constexpr std::size_t kRange = std::size_t{32} << 20;
constexpr std::size_t kBand = DeviceMemory::alignment;
constexpr double kMebibyte = 1 << 20;
constexpr std::size_t kMost = ~std::size_t{0} / 4;  // a size gone negative must not wrap round to a small one

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / kMebibyte; }

}  // namespace

DeviceMemory::~DeviceMemory() {
  for (std::byte* range : ranges_) raw_.give(range);
}

void* DeviceMemory::allocate(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  throw_remembered();
  if (bytes > kMost) fail_full(bytes);
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), alignment) + (guard_ ? 2 * kBand : 0);
  std::byte* piece = guard_ ? fresh_range(size) : piece_of(size);
  if (piece == nullptr) fail_full(bytes);
  pieces_.at(piece).used = true;
  stats_.used_bytes += size;
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.used_bytes);
  if (!guard_) return piece;
  raw_.fill(piece, 0xFF, size);
  return piece + kBand;
}

void DeviceMemory::release(void* block) noexcept {
  if (block == nullptr) return;
  const std::scoped_lock lock(mutex_);
  const auto found = pieces_.find(static_cast<std::byte*>(block) - (guard_ ? kBand : 0));
  if (found == pieces_.end() || !found->second.used) {
    remembered_ = "[cuda memory] a block was released that is not in use; expected one of allocate()";
    return;
  }
  stats_.used_bytes -= found->second.size;
  if (guard_) {
    if (band_is_broken(found->first, found->second.size)) {
      remembered_ =
          fmt::format("[cuda memory] a kernel wrote outside a block of {} bytes", found->second.size - 2 * kBand);
    }
    raw_.give(found->first);
    std::erase(ranges_, found->first);
    stats_.reserved_bytes -= found->second.size;
    pieces_.erase(found);
    return;
  }
  found->second.used = false;
  const auto starts_range = [this](std::byte* at) {
    return std::find(ranges_.begin(), ranges_.end(), at) != ranges_.end();
  };
  const auto next = std::next(found);
  if (next != pieces_.end() && !next->second.used && !starts_range(next->first)) {
    found->second.size += next->second.size;
    pieces_.erase(next);
  }
  if (found != pieces_.begin() && !starts_range(found->first)) {
    const auto before = std::prev(found);
    if (!before->second.used) {
      before->second.size += found->second.size;
      pieces_.erase(found);
    }
  }
}

std::size_t DeviceMemory::bytes_of(void* block) const noexcept {
  if (block == nullptr) return 0;
  const std::scoped_lock lock(mutex_);
  const std::size_t band = guard_ ? kBand : 0;
  const auto found = pieces_.find(static_cast<std::byte*>(block) - band);
  return found == pieces_.end() || !found->second.used ? 0 : found->second.size - 2 * band;
}

std::byte* DeviceMemory::fresh_range(std::size_t size) {
  auto* range = static_cast<std::byte*>(raw_.take(size));
  if (range == nullptr) return nullptr;
  ranges_.push_back(range);
  pieces_[range] = {size, false};
  stats_.reserved_bytes += size;
  return range;
}

/// The smallest free piece that holds `size` bytes, cut to it; from the device where there is none.
std::byte* DeviceMemory::piece_of(std::size_t size) {
  auto best = pieces_.end();
  for (auto it = pieces_.begin(); it != pieces_.end(); ++it) {
    const bool fits = !it->second.used && it->second.size >= size;
    if (fits && (best == pieces_.end() || it->second.size < best->second.size)) best = it;
  }
  if (best == pieces_.end()) {
    std::byte* range = fresh_range(std::max(round_up(size, kRange / 16), kRange));
    if (range == nullptr) range = fresh_range(size);
    if (range == nullptr) return nullptr;
    best = pieces_.find(range);
  }
  if (best->second.size > size) {
    pieces_[best->first + size] = {best->second.size - size, false};
    best->second.size = size;
  }
  return best->first;
}

void DeviceMemory::fail_full(std::size_t bytes) const {
  std::array<std::size_t, 3> largest = {};
  for (const auto& [at, piece] : pieces_) {
    if (!piece.used || piece.size <= largest.back()) continue;
    largest.back() = piece.size;
    std::sort(largest.begin(), largest.end(), std::greater<>());
  }
  fail(
      ErrorKind::failed,
      "[cuda memory] {:.1f} MiB more do not fit beside the {:.1f} MiB in use (of {:.1f} MiB taken; the largest tensors "
      "have {:.1f}, {:.1f} and {:.1f} MiB); use a smaller --batch or --size, freeze more layers, or --dtype bf16",
      mebibytes(bytes), mebibytes(stats_.used_bytes), mebibytes(stats_.reserved_bytes), mebibytes(largest[0]),
      mebibytes(largest[1]), mebibytes(largest[2]));
}

bool DeviceMemory::band_is_broken(const std::byte* block, std::size_t size) {
  std::array<std::byte, 2 * kBand> bands;
  raw_.download(bands.data(), block, kBand);
  raw_.download(bands.data() + kBand, block + size - kBand, kBand);
  return std::any_of(bands.begin(), bands.end(), [](std::byte b) { return b != std::byte{0xFF}; });
}

void DeviceMemory::check() {
  const std::scoped_lock lock(mutex_);
  throw_remembered();
  if (!guard_) return;
  for (const auto& [at, piece] : pieces_) {
    if (band_is_broken(at, piece.size)) {
      fail(ErrorKind::failed, "[cuda memory] a kernel wrote outside a block of {} bytes", piece.size - 2 * kBand);
    }
  }
}

void DeviceMemory::throw_remembered() {
  if (remembered_.empty()) return;
  fail(ErrorKind::failed, "{}", std::exchange(remembered_, {}));
}

BackendStats DeviceMemory::stats() const {
  const std::scoped_lock lock(mutex_);
  return stats_;
}

}  // namespace thaw::cuda
