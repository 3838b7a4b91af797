#include "models/recording_backend.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace thaw {

namespace {

constexpr std::size_t kGranule = 512;

/// The memory of a packed filter.
class RecordedPack : public PackedConv {
 public:
  RecordedPack(Backend& backend, std::size_t bytes) : backend_(backend), block_(backend.allocate(bytes)) {}
  ~RecordedPack() override { backend_.release(block_); }

 private:
  Backend& backend_;
  void* block_;
};

}  // namespace

std::string_view name_of(ConvCallKind kind) {
  switch (kind) {
    case ConvCallKind::forward: return "forward";
    case ConvCallKind::fused: return "fused";
    case ConvCallKind::data: return "data";
    case ConvCallKind::filter: return "filter";
    case ConvCallKind::part: return "part";
  }
  return "?";
}

DeviceInfo RecordingBackend::info() const {
  return {.backend = "recording", .name = "nothing", .detail = "computes nothing and notes what it is asked for"};
}

void* RecordingBackend::allocate(std::size_t bytes) {
  const std::size_t size = (std::max<std::size_t>(bytes, 1) + kGranule - 1) / kGranule * kGranule;
  void* const block = reinterpret_cast<void*>(next_);  // NOLINT(performance-no-int-to-ptr): nobody follows it
  next_ += size;
  sizes_[block] = size;
  stats_.used_bytes += size;
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.used_bytes);
  return block;
}

void RecordingBackend::release(void* block) noexcept {
  const auto found = sizes_.find(block);
  if (found == sizes_.end()) return;
  stats_.used_bytes -= found->second;
  sizes_.erase(found);
  if (const auto copy = copies_.find(block); copy != copies_.end()) {
    void* const narrow = copy->second;
    copies_.erase(copy);
    release(narrow);
  }
}

std::size_t RecordingBackend::filter_copy_bytes() const {
  return std::accumulate(copies_.begin(), copies_.end(), std::size_t{0}, [this](std::size_t sum, const auto& copy) {
    return sum + (copy.second == nullptr ? 0 : sizes_.at(copy.second));
  });
}

bool RecordingBackend::wants_cast(const ConvProblem& problem, const void* filter) {
  if (!as_cuda_ || problem.dtype != Dtype::bf16 || problem.depthwise()) return false;
  return copies_.try_emplace(filter, nullptr).first->second == nullptr;
}

void RecordingBackend::make_copies(std::span<const UpdateSlot> slots) {
  for (const UpdateSlot& slot : slots) {
    const auto found = copies_.find(slot.w);
    if (found == copies_.end() || found->second != nullptr) continue;
    found->second = allocate(static_cast<std::size_t>(slot.count) * sizeof(bf16));
  }
}

void RecordingBackend::download(void* host, const void*, std::size_t bytes) { std::memset(host, 0, bytes); }

std::shared_ptr<const PackedConv> RecordingBackend::pack_conv(const ConvProblem& problem, const void*, const void*) {
  const std::size_t filter = static_cast<std::size_t>(problem.filter_size()) * size_of(problem.dtype);
  const std::size_t bias = static_cast<std::size_t>(problem.k) * size_of(master_dtype(problem.dtype));
  return std::make_shared<RecordedPack>(*this, filter + bias);
}

void RecordingBackend::squeeze_excite_forward(const SqueezeExciteProblem& problem, const SqueezeExciteForward& args) {
  if (!as_cuda_) return Backend::squeeze_excite_forward(problem, args);
  note(problem.reduce(), ConvCallKind::part);
  note(problem.expand(), ConvCallKind::part);
}

void RecordingBackend::note(const ConvProblem& problem, ConvCallKind kind, bool casts_filter) {
  const auto found = std::find_if(calls_.begin(), calls_.end(), [&](const ConvCall& call) {
    return call.kind == kind && call.casts_filter == casts_filter && call.problem == problem;
  });
  if (found != calls_.end()) {
    ++found->count;
  } else {
    calls_.push_back({.problem = problem, .kind = kind, .casts_filter = casts_filter});
  }
}

void RecordingBackend::note(const NormProblem& problem, bool backward) {
  const auto found = std::find_if(norms_.begin(), norms_.end(), [&](const NormCall& call) {
    return call.backward == backward && call.problem.text() == problem.text();
  });
  if (found != norms_.end()) {
    ++found->count;
  } else {
    norms_.push_back({.problem = problem, .backward = backward});
  }
}

}  // namespace thaw
