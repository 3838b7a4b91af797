#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"

namespace thaw::tests {

using testing::HasSubstr;

TEST(ReferenceMemory, HandsOutAlignedBlocksAndCountsThem) {
  ReferenceBackend backend;
  void* a = backend.allocate(100);
  void* b = backend.allocate(28);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b) % 64, 0U);
  EXPECT_EQ(backend.stats().used_bytes, 128U);
  backend.release(a);
  backend.release(b);
  EXPECT_EQ(backend.stats().used_bytes, 0U);
  EXPECT_EQ(backend.stats().peak_bytes, 128U);
}

TEST(ReferenceMemory, IsFullOfNaNWhenPoisoned) {
  ReferenceBackend backend({.poison = true});
  auto* block = static_cast<double*>(backend.allocate(4 * sizeof(double)));
  EXPECT_TRUE(std::isnan(block[0]) && std::isnan(block[3]));
  backend.release(block);
}

TEST(ReferenceMemory, ReportsAWriteBehindALiveBlock) {
  ReferenceBackend backend({.poison = true});
  auto* block = static_cast<char*>(backend.allocate(8));
  backend.check_guards();
  const char kept = block[8];
  block[8] = 1;
  EXPECT_THAT([&] { backend.check_guards(); }, testing::ThrowsMessage<Error>(HasSubstr("wrote behind the 8 bytes")));
  block[8] = kept;
  backend.release(block);
  EXPECT_NO_THROW(backend.check_guards());
}

TEST(ReferenceMemory, ReportsAWriteBeforeAReleasedBlockAtTheNextAllocation) {
  ReferenceBackend backend({.poison = true});
  auto* block = static_cast<char*>(backend.allocate(8));
  block[-1] = 1;
  backend.release(block);
  EXPECT_THAT([&] { backend.allocate(1); }, testing::ThrowsMessage<Error>(HasSubstr("wrote before the 8 bytes")));
}

TEST(ReferenceMemory, ReportsABlockThatIsReleasedTwice) {
  ReferenceBackend backend;
  void* block = backend.allocate(8);
  backend.release(block);
  backend.release(block);
  EXPECT_THAT([&] { backend.check_guards(); }, testing::ThrowsMessage<Error>(HasSubstr("released twice")));
}

TEST(ReferenceMemory, RefusesTheImpossibleWithAWayOut) {
  EXPECT_THAT([] { ReferenceBackend().allocate(~std::size_t{0}); },
              testing::ThrowsMessage<Error>(HasSubstr("smaller --batch")));
}

}  // namespace thaw::tests
