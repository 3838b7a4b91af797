// Work that is recorded once and replayed, on the emulated device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "kernels/backend.h"
#include "kernels/error.h"

namespace thaw {

namespace {

std::vector<float> read(Backend& backend, const void* device, std::size_t count) {
  std::vector<float> out(count);
  backend.download(out.data(), device, count * sizeof(float));
  return out;
}

}  // namespace

TEST(Recording, DoesNothingUntilItIsReplayedAndThenAgain) {
  const auto backend = make_backend("cuda");
  auto* x = static_cast<float*>(backend->allocate(4 * sizeof(float)));
  const std::vector<float> start = {1, 2, 3, 4};
  backend->upload(x, start.data(), 4 * sizeof(float));
  const auto recording = backend->record([&] { backend->add(Dtype::f32, 4, x, x, x); });
  EXPECT_EQ(read(*backend, x, 4), start);
  backend->replay(*recording);
  EXPECT_EQ(read(*backend, x, 4), (std::vector<float>{2, 4, 6, 8}));
  backend->replay(*recording);
  EXPECT_EQ(read(*backend, x, 4), (std::vector<float>{4, 8, 12, 16}));
  backend->release(x);
}

TEST(Recording, ReadsTheStepSizeOfEachReplay) {
  const auto backend = make_backend("cuda");
  auto* w = static_cast<float*>(backend->allocate(sizeof(float)));
  auto* g = static_cast<float*>(backend->allocate(sizeof(float)));
  const float one = 1;
  backend->upload(w, &one, sizeof one);
  backend->upload(g, &one, sizeof one);
  const UpdateSlot slot{.w = w, .g = g, .count = 1};
  const auto recording = backend->record([&] { backend->sgd(Dtype::f32, {&slot, 1}, {.lr = 100}); });
  backend->set_step_size(0.25);
  backend->replay(*recording);
  EXPECT_EQ(read(*backend, w, 1), std::vector<float>{0.75F});
  backend->set_step_size(0.5);
  backend->replay(*recording);
  EXPECT_EQ(read(*backend, w, 1), std::vector<float>{0.25F});
  backend->release(w);
  backend->release(g);
}

TEST(Recording, RefusesWhatCannotBeRepeatedAndLeavesTheBackendUsable) {
  const auto backend = make_backend("cuda");
  auto* x = static_cast<float*>(backend->allocate(sizeof(float)));
  const float one = 1;
  backend->upload(x, &one, sizeof one);
  float found = 0;
  EXPECT_THAT([&] { backend->record([&] { backend->upload(x, &one, sizeof one); }); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("an upload cannot be recorded")));
  EXPECT_THAT([&] { backend->record([&] { backend->download(&found, x, sizeof found); }); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("a download cannot be recorded")));
  backend->add(Dtype::f32, 1, x, x, x);
  EXPECT_EQ(read(*backend, x, 1), std::vector<float>{2});
  backend->release(x);
}

TEST(Recording, IsNotOfferedOnGuardedMemory) {
  EXPECT_TRUE(make_backend("cuda")->can_record());
  const auto guarded = make_backend("cuda", {.poison = true});
  EXPECT_FALSE(guarded->can_record());
  EXPECT_THAT([&] { guarded->record([] {}); }, testing::ThrowsMessage<Error>(testing::HasSubstr("does not offer")));
}

}  // namespace thaw
