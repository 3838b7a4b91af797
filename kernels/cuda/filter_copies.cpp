#include "kernels/cuda/filter_copies.h"

#include <algorithm>

namespace thaw::cuda {

namespace {

std::size_t master_bytes(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

const std::byte* address(const void* pointer) { return static_cast<const std::byte*>(pointer); }

}  // namespace

const void* FilterCopies::find(const void* filter, std::int64_t count) {
  const std::scoped_lock lock(mutex_);
  const auto [found, fresh] = filters_.try_emplace(address(filter));
  if (fresh) found->second.count = count;
  return found->second.count == count ? found->second.copy.data() : nullptr;
}

std::vector<ParameterUpdate> FilterCopies::join(std::span<const UpdateSlot> slots, bool recording) {
  const std::scoped_lock lock(mutex_);
  std::vector<ParameterUpdate> updates;
  updates.reserve(slots.size());
  for (const UpdateSlot& slot : slots) {
    ParameterUpdate& update = updates.emplace_back(ParameterUpdate{.slot = slot});
    const auto found = filters_.find(address(slot.w));
    if (found == filters_.end() || found->second.count != slot.count) continue;
    Filter& filter = found->second;
    if (filter.copy.data() == nullptr && !recording) {
      filter.copy = Block(memory_, static_cast<std::size_t>(slot.count) * sizeof(bf16));
      filter.number = ++made_;
      longest_ = std::max(longest_, master_bytes(slot.count));
    }
    update.narrow = static_cast<bf16*>(filter.copy.data());
  }
  return updates;
}

void FilterCopies::refresh(const void* first, std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  const std::byte* begin = address(first);
  for (auto it = filters_.lower_bound(begin - longest_); it != filters_.end(); ++it) {
    if (it->first >= begin + bytes) break;
    if (it->first + master_bytes(it->second.count) > begin) cast_again(it->first, it->second);
  }
}

std::uint64_t FilterCopies::made() const {
  const std::scoped_lock lock(mutex_);
  return made_;
}

void FilterCopies::refresh_younger(std::uint64_t age) {
  const std::scoped_lock lock(mutex_);
  if (made_ == age) return;
  for (const auto& [at, filter] : filters_) {
    if (filter.number > age) cast_again(at, filter);
  }
}

void FilterCopies::forget(const void* block, std::size_t bytes) noexcept {
  const std::scoped_lock lock(mutex_);
  const std::byte* begin = address(block);
  filters_.erase(filters_.lower_bound(begin), filters_.lower_bound(begin + bytes));
}

void FilterCopies::cast_again(const std::byte* filter, const Filter& entry) {
  if (entry.copy.data() == nullptr) return;
  cast(gpu_.stream(), Dtype::f32, Dtype::bf16, entry.count, filter, entry.copy.data());
}

}  // namespace thaw::cuda
