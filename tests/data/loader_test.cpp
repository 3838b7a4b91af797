#include "data/loader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

#include "data/random.h"
#include "tests/data/fixtures.h"

namespace thaw {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t plenty = std::size_t{1} << 30;

class Loader : public ::testing::Test {
 protected:
  Loader() {
    write_two_classes(folder_.path(), 6);
    dataset_ = std::make_unique<Dataset>(Dataset::open(folder_.path()));
    order_ = shuffled({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 3, 0);
  }

  std::vector<Batch> batches(const LoaderOptions& options, std::size_t memory = plenty) const {
    return batches(order_, options, memory);
  }
  std::vector<Batch> batches(const std::vector<int>& order, const LoaderOptions& options,
                             std::size_t memory = plenty) const {
    ImageStore store(*dataset_, memory);
    BatchLoader loader(store, order, options);
    std::vector<Batch> all;
    for (Batch batch; loader.next(batch);) all.push_back(batch);
    return all;
  }

  TempFolder folder_;
  std::unique_ptr<Dataset> dataset_;
  std::vector<int> order_;
};

std::vector<float> photo(const Batch& batch, std::size_t i) {
  const std::size_t n = batch.pixels.size() / static_cast<std::size_t>(batch.n);
  const auto begin = batch.pixels.begin() + static_cast<std::ptrdiff_t>(i * n);
  return {begin, begin + static_cast<std::ptrdiff_t>(n)};
}

/// Pixels by sample, from all batches.
std::vector<std::vector<float>> by_sample(const std::vector<Batch>& batches) {
  std::vector<std::vector<float>> photos(12);
  for (const Batch& batch : batches) {
    for (std::size_t i = 0; i < batch.samples.size(); ++i)
      photos[static_cast<std::size_t>(batch.samples[i])] = photo(batch, i);
  }
  return photos;
}

TEST_F(Loader, KeepsTheOrderAndTheSmallerLastBatch) {
  const auto all = batches({.batch = 5, .size = 8});
  ASSERT_EQ(all.size(), 3u);
  std::vector<int> seen;
  for (const Batch& batch : all) seen.insert(seen.end(), batch.samples.begin(), batch.samples.end());
  EXPECT_EQ(seen, order_);
  EXPECT_EQ(all[2].n, 2);
  EXPECT_EQ(all[2].pixels.size(), 2u * 8 * 8 * 3);
  EXPECT_EQ(all[2].labels.size(), 2u);
}

TEST_F(Loader, DeliversTheResizedPhotoAndItsLabel) {
  for (const Batch& batch : batches({.batch = 4, .size = 9})) {
    for (std::size_t i = 0; i < batch.samples.size(); ++i) {
      std::vector<float> expected(9 * 9 * 3);
      resize_bilinear(dataset_->load(batch.samples[i]), 9, 9, expected.data());
      EXPECT_EQ(photo(batch, i), expected);
      EXPECT_EQ(batch.labels[i], dataset_->samples()[static_cast<std::size_t>(batch.samples[i])].label);
    }
  }
}

class LoaderSchedule : public Loader, public ::testing::WithParamInterface<std::tuple<int, int, std::size_t>> {};

TEST_P(LoaderSchedule, DoesNotChangeABit) {
  const auto [threads, prefetch, memory] = GetParam();
  LoaderOptions options{
      .batch = 5, .size = 24, .threads = 1, .augment = {.flip = true, .crop = true, .seed = 9}, .epoch = 2};
  const auto expected = batches(options);
  options.threads = threads;
  options.prefetch = prefetch;
  const auto found = batches(options, memory);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].pixels, expected[i].pixels);
    EXPECT_EQ(found[i].labels, expected[i].labels);
    EXPECT_EQ(found[i].samples, expected[i].samples);
  }
}

INSTANTIATE_TEST_SUITE_P(ThreadsPrefetchMemory, LoaderSchedule,
                         ::testing::Combine(::testing::Values(1, 2, 4), ::testing::Values(0, 1, 5),
                                            ::testing::Values(std::size_t{0}, std::size_t{3000}, plenty)));

TEST_F(Loader, EndsAgainAndAgain) {
  ImageStore store(*dataset_, plenty);
  BatchLoader loader(store, {0}, {.batch = 4, .size = 8});
  Batch batch;
  EXPECT_TRUE(loader.next(batch));
  EXPECT_FALSE(loader.next(batch));
  EXPECT_FALSE(loader.next(batch));
}

TEST_F(Loader, OfNothingEndsAtOnce) {
  ImageStore store(*dataset_, plenty);
  BatchLoader loader(store, {}, {});
  Batch batch;
  EXPECT_EQ(loader.batch_count(), 0);
  EXPECT_FALSE(loader.next(batch));
}

TEST_F(Loader, MayBeLeftHalfWay) {
  ImageStore store(*dataset_, plenty);
  for (int i = 0; i < 20; ++i) {
    BatchLoader loader(store, order_, {.batch = 2, .size = 32, .threads = 3});
    Batch batch;
    EXPECT_TRUE(loader.next(batch));
  }
}

TEST_F(Loader, ThrowsForTheFirstBadPhotoInOrderWithItsBatch) {
  write_bytes(dataset_->path_of(4), "text");
  write_bytes(dataset_->path_of(5), "text");
  for (const int threads : {1, 4}) {
    ImageStore store(*dataset_, plenty);
    BatchLoader loader(store, {0, 1, 2, 3, 4, 5, 6}, {.batch = 2, .size = 8, .threads = threads});
    Batch batch;
    EXPECT_TRUE(loader.next(batch));
    EXPECT_TRUE(loader.next(batch));
    for (int again = 0; again < 2; ++again)
      EXPECT_THAT(error_of(ErrorKind::data, [&] { loader.next(batch); }), HasSubstr(dataset_->path_of(4).string()));
  }
}

TEST_F(Loader, RefusesImpossibleOptionsAndSamples) {
  ImageStore store(*dataset_, plenty);
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { BatchLoader(store, {0}, {.batch = 0}); }), HasSubstr("batch 0"));
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { BatchLoader(store, {0}, {.size = -1}); }), HasSubstr("size -1"));
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { BatchLoader(store, {12}, {}); }), HasSubstr("sample 12"));
}

TEST_F(Loader, StoreKeepsNoMoreThanItsLimit) {
  ImageStore none(*dataset_, 0), some(*dataset_, 3000), all(*dataset_, plenty);
  none.preload(order_);
  some.preload(order_);
  all.preload(order_);
  EXPECT_EQ(none.bytes_kept(), 0u);
  EXPECT_GT(some.bytes_kept(), 0u);
  EXPECT_LE(some.bytes_kept(), 3000u);
  std::size_t total = 0;
  for (int i = 0; i < dataset_->size(); ++i) total += dataset_->load(i).rgb.size();
  EXPECT_EQ(all.bytes_kept(), total);
}

TEST_F(Loader, StoreDecodesOnceWhatItKeeps) {
  ImageStore store(*dataset_, plenty);
  const auto first = store.get(3);
  write_bytes(dataset_->path_of(3), "gone");
  EXPECT_EQ(store.get(3), first);
}

TEST_F(Loader, AugmentationDependsOnSeedEpochAndSampleOnly) {
  const LoaderOptions options{.batch = 5, .size = 16, .augment = {.flip = true, .crop = true, .seed = 1}, .epoch = 1};
  std::vector<int> other = order_;
  std::reverse(other.begin(), other.end());
  LoaderOptions bigger = options;
  bigger.batch = 12;
  EXPECT_EQ(by_sample(batches(options)), by_sample(batches(other, bigger)));
}

TEST_F(Loader, AugmentationChangesWithEpochAndSeed) {
  const LoaderOptions options{.size = 16, .augment = {.flip = true, .crop = true, .seed = 1}, .epoch = 1};
  LoaderOptions other_epoch = options, other_seed = options;
  other_epoch.epoch = 2;
  other_seed.augment.seed = 2;
  EXPECT_NE(by_sample(batches(options)), by_sample(batches(other_epoch)));
  EXPECT_NE(by_sample(batches(options)), by_sample(batches(other_seed)));
}

TEST(Augmentation, OffLeavesThePhotoWhole) {
  const AugmentChoice choice = choose_augmentation({}, 0, 0, {.width = 30, .height = 20});
  EXPECT_FALSE(choice.flip);
  EXPECT_EQ(choice.box.height, 20);
  EXPECT_EQ(choice.box.width, 30);
}

TEST(Augmentation, FlipsAboutHalfOfThePhotosWhetherItCropsOrNot) {
  const ImageSize image{.width = 30, .height = 20};
  int flips = 0;
  for (int sample = 0; sample < 2000; ++sample) {
    const bool flip = choose_augmentation({.flip = true, .seed = 5}, 0, sample, image).flip;
    ASSERT_EQ(choose_augmentation({.flip = true, .crop = true, .seed = 5}, 0, sample, image).flip, flip);
    flips += flip ? 1 : 0;
  }
  EXPECT_NEAR(flips, 1000, 100);  // 4.5 standard deviations
}

TEST(Augmentation, CropsStayInsideAndKeepSevenEighthsOfTheArea) {
  const ImageSize image{.width = 320, .height = 240};
  double smallest = 1, largest = 0;
  for (int sample = 0; sample < 2000; ++sample) {
    const PixelBox box = choose_augmentation({.crop = true}, 3, sample, image).box;
    ASSERT_GE(box.x, 0);
    ASSERT_GE(box.y, 0);
    ASSERT_LE(box.x + box.width, 320);
    ASSERT_LE(box.y + box.height, 240);
    const double area = box.width * box.height / (320.0 * 240.0);
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
  }
  EXPECT_NEAR(smallest, 0.875, 0.005);  // sides are whole pixels
  EXPECT_NEAR(largest, 1.0, 0.005);
}

TEST(Shuffle, IsAPermutationFixedBySeedAndEpoch) {
  std::vector<int> order(1000);
  std::iota(order.begin(), order.end(), 0);
  const std::vector<int> first = shuffled(order, 7, 1);
  EXPECT_TRUE(std::is_permutation(first.begin(), first.end(), order.begin()));
  EXPECT_NE(first, order);
  EXPECT_EQ(shuffled(order, 7, 1), first);
  EXPECT_NE(shuffled(order, 7, 2), first);
  EXPECT_NE(shuffled(order, 8, 1), first);
}

TEST(Shuffle, ReachesEveryOrderEquallyOften) {
  std::vector<int> counts(6, 0);
  for (int epoch = 0; epoch < 6000; ++epoch) {
    const std::vector<int> p = shuffled({0, 1, 2}, 1, epoch);
    const int kind = p[0] * 2 + (p[1] > p[2] ? 1 : 0);
    ++counts[static_cast<std::size_t>(kind)];
  }
  for (const int n : counts) EXPECT_NEAR(n, 1000, 130);  // 4.5 standard deviations
}

TEST(Random, MatchesTheKnownAnswersOfPhilox) {
  // Known-answer tests published with Random123.
  EXPECT_THAT(philox4x32({0, 0, 0, 0}, {0, 0}), ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  EXPECT_THAT(philox4x32({0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu}, {0xffffffffu, 0xffffffffu}),
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  EXPECT_THAT(philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
              ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u));
}

TEST(Random, GivesEveryArgumentItsOwnNumbers) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    for (std::uint64_t stream = 0; stream < 8; ++stream) {
      for (std::uint64_t counter = 0; counter < 8; ++counter) seen.insert(counter_random(seed, stream, counter));
    }
  }
  EXPECT_EQ(seen.size(), 512u);
}

TEST(Random, StaysInsideItsInterval) {
  EXPECT_EQ(unit_interval(0), 0.0);
  EXPECT_LT(unit_interval(~std::uint64_t{0}), 1.0);
  EXPECT_EQ(below(~std::uint64_t{0}, 10), 9u);
  EXPECT_EQ(below(0, 10), 0u);
}

}  // namespace
}  // namespace thaw
