#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "kernels/cpu/arena.h"
#include "kernels/error.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kKilobyte = 1024;
constexpr std::size_t kMegabyte = 1024 * kKilobyte;

TEST(Arena, AlignsEveryBlockTo64Bytes) {
  Arena arena(64 * kMegabyte);
  for (const std::size_t bytes : {0U, 1U, 63U, 64U, 65U, 1000U, 4097U}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arena.allocate(bytes)) % 64, 0U) << bytes;
  }
}

TEST(Arena, GivesTheSmallestFreeBlockThatFits) {
  Arena arena(64 * kMegabyte);
  void* large = arena.allocate(100 * kKilobyte);
  void* wall1 = arena.allocate(64);
  void* small = arena.allocate(10 * kKilobyte);
  void* wall2 = arena.allocate(64);
  void* middle = arena.allocate(50 * kKilobyte);
  void* wall3 = arena.allocate(64);
  arena.release(large);
  arena.release(small);
  arena.release(middle);
  EXPECT_EQ(arena.allocate(45 * kKilobyte), middle);
  EXPECT_EQ(arena.allocate(9 * kKilobyte), small);
  EXPECT_EQ(arena.allocate(90 * kKilobyte), large);
  for (void* wall : {wall1, wall2, wall3}) arena.release(wall);
}

TEST(Arena, JoinsFreeNeighboursInWhateverOrderTheyComeBack) {
  for (const auto& order : {std::array{0, 1, 2}, {2, 1, 0}, {0, 2, 1}, {1, 0, 2}}) {
    Arena arena(64 * kMegabyte);
    const std::array blocks = {arena.allocate(kMegabyte), arena.allocate(kMegabyte), arena.allocate(kMegabyte)};
    void* wall = arena.allocate(64);
    for (const int i : order) arena.release(blocks.at(static_cast<std::size_t>(i)));
    EXPECT_EQ(arena.allocate(3 * kMegabyte), blocks[0]);
    arena.release(wall);
  }
}

TEST(Arena, KeepsWhatItTookFromTheSystemAndUsesItAgain) {
  Arena arena(256 * kMegabyte);
  void* block = arena.allocate(40 * kMegabyte);
  const std::size_t reserved = arena.stats().reserved;
  arena.release(block);
  EXPECT_EQ(arena.stats().reserved, reserved);
  for (int i = 0; i < 10; ++i) arena.release(arena.allocate(40 * kMegabyte));
  EXPECT_EQ(arena.stats().reserved, reserved);
}

TEST(Arena, CountsUsedAndPeakBytes) {
  Arena arena(64 * kMegabyte);
  void* first = arena.allocate(kMegabyte);
  void* second = arena.allocate(2 * kMegabyte);
  EXPECT_GE(arena.stats().used, 3 * kMegabyte);
  arena.release(first);
  arena.release(second);
  EXPECT_EQ(arena.stats().used, 0U);
  EXPECT_GE(arena.stats().peak, 3 * kMegabyte);
  EXPECT_LT(arena.stats().peak, 3 * kMegabyte + kKilobyte);
}

TEST(Arena, SaysWhatWasWantedWhatIsInUseAndTheWayOutWhenMemoryEnds) {
  Arena arena(32 * kMegabyte);
  arena.allocate(20 * kMegabyte);
  try {
    arena.allocate(16 * kMegabyte);
    FAIL() << "36 MiB fitted into 32 MiB";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("16.0 MiB"), HasSubstr("20.0 MiB are in use"), HasSubstr("32.0 MiB"),
                                    HasSubstr("smaller --batch")));
  }
}

TEST(Arena, RefusesASizeThatWouldWrapAround) {
  Arena arena(32 * kMegabyte);
  EXPECT_THROW(arena.allocate(SIZE_MAX), Error);
  EXPECT_THROW(arena.allocate(SIZE_MAX - 62), Error);
}

TEST(Arena, StillServesAfterARefusal) {
  Arena arena(32 * kMegabyte);
  EXPECT_THROW(arena.allocate(33 * kMegabyte), Error);
  void* all = arena.allocate(31 * kMegabyte);
  std::memset(all, 1, 31 * kMegabyte);
  arena.release(all);
}

TEST(Arena, FillsPoisonedBlocksWithNan) {
  Arena arena(32 * kMegabyte, true);
  auto* block = static_cast<float*>(arena.allocate(4 * sizeof(float)));
  EXPECT_TRUE(std::isnan(block[0]) && std::isnan(block[3]));
  block[0] = 1;
  arena.release(block);
  EXPECT_TRUE(std::isnan(*static_cast<float*>(arena.allocate(sizeof(float)))));
}

TEST(Arena, SurvivesThreadsThatTakeAndGiveBackAtOnce) {
  Arena arena(256 * kMegabyte);
  const auto work = [&arena](unsigned char mark) {
    for (std::size_t i = 0; i < 2000; ++i) {
      const std::size_t bytes = 64 + (i * 977) % 9000;
      auto* block = static_cast<unsigned char*>(arena.allocate(bytes));
      std::memset(block, mark, bytes);
      EXPECT_EQ(block[0], mark);
      EXPECT_EQ(block[bytes - 1], mark);
      arena.release(block);
    }
  };
  std::thread one(work, 1);
  std::thread two(work, 2);
  one.join();
  two.join();
  EXPECT_EQ(arena.stats().used, 0U);
}

#if defined(__SANITIZE_ADDRESS__)
TEST(ArenaDeathTest, ReportsAWriteBehindABlock) {
  Arena arena(32 * kMegabyte);
  auto* block = static_cast<volatile char*>(arena.allocate(100));
  EXPECT_DEATH(block[100] = 1, "use-after-poison");
}
#endif

TEST(Scratch, GoesBackAtTheEndOfItsScope) {
  const auto arena = std::make_shared<Arena>(32 * kMegabyte);
  {
    Scratch scratch(arena, 100);
    Scratch moved = std::move(scratch);
    EXPECT_NE(moved.data(), nullptr);
    EXPECT_GT(arena->stats().used, 0U);
  }
  EXPECT_EQ(arena->stats().used, 0U);
}

}  // namespace
}  // namespace thaw
