#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/kernels.h"

namespace thaw::cuda {

/// bf16 copies of the f32 filters that train, so that convolutions in bf16 need not cast them at every call. A filter
/// gets its copy with the first optimizer call behind a convolution that asked for one, and the launch of each update
/// writes it; a frozen filter never has one. A copy keeps its address until the filter's block is released.
///
/// A copy is right as long as every write into a filter is told: updates by `join`, other writes by `refresh` right
/// behind them, replays by `refresh_younger`. So a filter may be written by the backend's `adam`, `sgd`, `upload`,
/// `copy` and `zero`, and by a replay of those; what other calls put out are activations, gradients and statistics,
/// which no convolution takes as its filter. Safe to use from several threads, as the memory is.
class FilterCopies {
 public:
  FilterCopies(Gpu& gpu, DeviceMemory& memory) : gpu_(gpu), memory_(memory) {}

  /// The copy of a filter; null where there is none, which is then wanted.
  const void* find(const void* filter, std::int64_t count);
  /// Slots with the copies that their launch has to write. Copies that are wanted are made, unless the launch is being
  /// recorded and therefore not run.
  std::vector<ParameterUpdate> join(std::span<const UpdateSlot> slots, bool recording);
  /// Casts the filters again that overlap a range which was written.
  void refresh(const void* first, std::size_t bytes);
  /// Copies made so far: the age of a recording.
  [[nodiscard]] std::uint64_t made() const;
  /// Casts the filters again whose copies were made after `age`: a recording of that age writes filters without them,
  /// and what it uses as memory in between may be where they are.
  void refresh_younger(std::uint64_t age);
  /// Ends the copies and wishes of a block that is to be released.
  void forget(const void* block, std::size_t bytes) noexcept;

 private:
  struct Filter {
    std::int64_t count = 0;
    Block copy = {};           // empty while it is only wanted
    std::uint64_t number = 0;  // of the copies made
  };
  void cast_again(const std::byte* filter, const Filter& entry);

  Gpu& gpu_;
  DeviceMemory& memory_;
  mutable std::mutex mutex_;
  std::map<const std::byte*, Filter> filters_;
  std::size_t longest_ = 0;  // bytes of the largest filter that ever had a copy
  std::uint64_t made_ = 0;
};

}  // namespace thaw::cuda
