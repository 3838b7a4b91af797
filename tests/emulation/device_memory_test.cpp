// The pool's bookkeeping over a device that only counts.
#include "kernels/cuda/device_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>

#include "kernels/error.h"

namespace thaw::cuda {

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kMebibyte = 1 << 20;

/// A device of `room` bytes in the host's memory.
class CountingMemory : public RawMemory {
 public:
  explicit CountingMemory(std::size_t room) : room_(room) {}
  ~CountingMemory() override { EXPECT_TRUE(blocks_.empty()) << "not everything was given back"; }

  void* take(std::size_t bytes) override {
    ++takes;
    if (bytes > room_) return nullptr;
    room_ -= bytes;
    void* block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    blocks_[block] = bytes;
    return block;
  }
  void give(void* block) noexcept override {
    room_ += blocks_.at(block);
    blocks_.erase(block);
    std::free(block);
  }
  void fill(void* device, int byte, std::size_t bytes) override { std::memset(device, byte, bytes); }
  void download(void* host, const void* device, std::size_t bytes) override { std::memcpy(host, device, bytes); }

  int takes = 0;

 private:
  std::size_t room_;
  std::map<void*, std::size_t> blocks_;
};

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST(DeviceMemory, AsksTheDeviceForNothingInAWarmedStep) {
  CountingMemory raw(256 * kMebibyte);
  DeviceMemory memory(raw, false);
  const auto step = [&] {
    std::vector<void*> blocks;
    for (const std::size_t size : {1UL, 300UL, 5 * kMebibyte, 40 * kMebibyte, 7UL})
      blocks.push_back(memory.allocate(size));
    for (void* block : blocks) memory.release(block);
  };
  step();
  const int warm = raw.takes;
  const std::size_t reserved = memory.stats().reserved_bytes;
  for (int i = 0; i < 5; ++i) step();
  EXPECT_EQ(raw.takes, warm);
  EXPECT_EQ(memory.stats().reserved_bytes, reserved);
  EXPECT_EQ(memory.stats().used_bytes, 0U);
}

TEST(DeviceMemory, HandsTheSameAddressesToTheSameSequence) {
  CountingMemory raw(256 * kMebibyte);
  DeviceMemory memory(raw, false);
  const auto sequence = [&] {
    std::vector<void*> all;
    void* held = memory.allocate(1000);
    all.push_back(held);
    all.push_back(memory.allocate(3 * kMebibyte));
    memory.release(all.back());
    all.push_back(memory.allocate(2 * kMebibyte));
    memory.release(held);
    memory.release(all.back());
    return all;
  };
  sequence();
  EXPECT_EQ(sequence(), sequence());
}

TEST(DeviceMemory, KeepsBlocksApartAndAligned) {
  CountingMemory raw(512 * kMebibyte);
  DeviceMemory memory(raw, false);
  std::mt19937 random(1);
  std::map<std::byte*, std::size_t> live;
  for (int i = 0; i < 2000; ++i) {
    if (live.size() > 20 || (!live.empty() && random() % 2 == 0)) {
      const auto victim = std::next(live.begin(), static_cast<std::ptrdiff_t>(random() % live.size()));
      memory.release(victim->first);
      live.erase(victim);
      continue;
    }
    const std::size_t size = random() % (3 * kMebibyte);
    auto* block = static_cast<std::byte*>(memory.allocate(size));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % DeviceMemory::alignment, 0U);
    const auto next = live.lower_bound(block);
    if (next != live.end()) {
      EXPECT_LE(block + size, next->first);
    }
    if (next != live.begin()) {
      EXPECT_LE(std::prev(next)->first + std::prev(next)->second, block);
    }
    live[block] = size;
  }
  for (const auto& [block, size] : live) memory.release(block);
  EXPECT_EQ(memory.stats().used_bytes, 0U);
}

TEST(DeviceMemory, NamesTheLargestTensorsWhereTheDeviceIsFull) {
  CountingMemory raw(64 * kMebibyte);
  DeviceMemory memory(raw, false);
  void* large = memory.allocate(20 * kMebibyte);
  void* small = memory.allocate(5 * kMebibyte);
  const std::string sentence = error_of([&] { memory.allocate(50 * kMebibyte); });
  EXPECT_THAT(sentence, AllOf(HasSubstr("50.0 MiB more do not fit"), HasSubstr("25.0 MiB in use"),
                              HasSubstr("20.0, 5.0"), HasSubstr("smaller --batch")));
  EXPECT_THAT(error_of([&] { memory.allocate(~std::size_t{0}); }), HasSubstr("do not fit"));
  memory.release(large);
  memory.release(small);
}

TEST(DeviceMemory, GuardsEachBlockWithBandsOfNaN) {
  CountingMemory raw(64 * kMebibyte);
  DeviceMemory memory(raw, true);
  auto* block = static_cast<std::byte*>(memory.allocate(256));
  EXPECT_EQ(block[0], std::byte{0xFF});
  block[256] = std::byte{1};
  EXPECT_THAT(error_of([&] { memory.check(); }), HasSubstr("wrote outside a block of 256 bytes"));
  memory.release(block);
  EXPECT_THAT(error_of([&] { memory.allocate(1); }), HasSubstr("wrote outside a block of 256 bytes"));
  auto* before = static_cast<std::byte*>(memory.allocate(512));
  before[-1] = std::byte{0};
  memory.release(before);
  EXPECT_THAT(error_of([&] { memory.check(); }), HasSubstr("512 bytes"));
}

TEST(DeviceMemory, ReportsABlockThatIsReleasedTwice) {
  CountingMemory raw(64 * kMebibyte);
  DeviceMemory memory(raw, false);
  void* block = memory.allocate(10);
  memory.release(block);
  memory.release(block);
  EXPECT_THAT(error_of([&] { memory.allocate(1); }), HasSubstr("not in use"));
}

}  // namespace thaw::cuda
