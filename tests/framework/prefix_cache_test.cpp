#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "kernels/error.h"
#include "tests/framework/blind_backend.h"
#include "tests/framework/toy_run.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using test::BlindBackend;
using test::numbers;
using test::ToyRun;

TEST(PrefixCache, KeepsRowsOnADeviceThatTheHostCannotReadWhereThereIsRoom) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const bool room : {true, false}) {
    const auto backend = std::make_shared<BlindBackend>(room ? 1000 : 40);
    PrefixCache cache({}, "key", 8, {2}, Dtype::f32);  // 64 bytes
    const std::vector<int> first = {0, 3, 5, 7};
    cache.put(first, Tensor::from_host(backend, {4, 2}, Dtype::f32, std::span<const float>(values)));
    EXPECT_EQ(cache.on_device(), room);
    backend->uploaded = 0;
    const std::vector<int> wanted = {5, 0};
    EXPECT_EQ(cache.gather(backend, wanted).to_floats(), (std::vector<float>{5, 6, 1, 2}));
    EXPECT_EQ(cache.gather(backend, wanted).to_floats(), (std::vector<float>{5, 6, 1, 2}));
    EXPECT_EQ(backend->uploaded, room ? 0U : 32U);
    // Rows that came from elsewhere (a file) are sent once.
    const auto other = std::make_shared<ReferenceBackend>(BackendOptions{});
    const std::vector<int> second = {1};
    cache.put(second, Tensor::from_host(other, {1, 2}, Dtype::f32, std::span<const float>(values).first(2)));
    backend->uploaded = 0;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(cache.gather(backend, second).to_floats(), (std::vector<float>{1, 2}));
    EXPECT_EQ(backend->uploaded, room ? 8U : 24U);
  }
}

class PrefixFile : public testing::Test {
 protected:
  void SetUp() override { folder = fs::temp_directory_path() / ("thaw_prefix_" + std::to_string(::getpid())); }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder;
};

TEST_F(PrefixFile, BeyondTheLimitIsSpilledAndReadByALaterRun) {
  ToyRun first(true, true, 16, folder);
  Position position;
  first.trainer->train_epoch(numbers(0, 18), position);
  ASSERT_TRUE(first.trainer->cache()->on_disk());

  ToyRun second(true, true, 16, folder);
  Position again;
  second.trainer->train_epoch(numbers(0, 18), again);
  EXPECT_EQ(second.images.streamed, 0) << "the file of the first run serves the second";
  EXPECT_EQ(first.weights(), second.weights());
  EXPECT_EQ(second.trainer->evaluate(numbers(18, 22)).images, 4) << "rows that the file lacks are added";
}

TEST_F(PrefixFile, WhatDeadProcessesLeftHalfWrittenGoesAndWhatLivingOnesWriteStays) {
  fs::create_directories(folder);
  const auto temporary = [&](const std::string& writer) { return folder / ("other.prefix." + writer + ".tmp"); };
  const std::string dead = "99999999", dead_here = "99999998", alive = std::to_string(::getppid());
  for (const std::string& writer : {dead, dead_here, alive}) std::ofstream(temporary(writer)) << "half";
  // As another machine on a shared disk would hold it.
  const int lock = ::open(temporary(dead_here).c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);

  const PrefixCache cache({.memory_limit = 0, .folder = folder}, "key", 8, {2}, Dtype::f32);
  EXPECT_FALSE(fs::exists(temporary(dead)));
  EXPECT_TRUE(fs::exists(temporary(dead_here)));
  EXPECT_TRUE(fs::exists(temporary(alive)));
  const int own = ::open((folder / fmt::format("key.prefix.{}.tmp", ::getpid())).c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_NE(::flock(own, LOCK_EX | LOCK_NB), 0) << "a cache holds the lock of what it writes";
  ::close(own);
  ::close(lock);
}

/// While it lives, no file of this process may grow beyond a page.
class NoRoom {
 public:
  NoRoom() : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit page{.rlim_cur = 4096, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &page);
  }
  ~NoRoom() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  NoRoom(const NoRoom&) = delete;
  NoRoom& operator=(const NoRoom&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(PrefixFile, WithoutRoomForItNothingIsLeft) {
  const NoRoom none;
  EXPECT_THROW(PrefixCache({.memory_limit = 0, .folder = folder}, "key", 8, {4096}, Dtype::f32), Error);
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(PrefixFile, ASealedOneThatFindsNoRoomToGrowStaysWholeAndGrowsLater) {
  const auto backend = std::make_shared<ReferenceBackend>(BackendOptions{});
  const PrefixCacheOptions options{.memory_limit = 0, .folder = folder};
  const std::vector<int> first = {0}, second = {1};
  const Tensor row =
      Tensor::from_host(backend, {1, 4096}, Dtype::f32, std::span<const float>(std::vector<float>(4096, 3)));
  {
    PrefixCache cache(options, "key", 8, {4096}, Dtype::f32);
    cache.put(first, row);
    cache.seal();
  }
  PrefixCache cache(options, "key", 8, {4096}, Dtype::f32);
  {
    const NoRoom none;
    for (int i = 0; i < 2; ++i) EXPECT_THROW(cache.put(second, row), Error);
  }
  EXPECT_FALSE(cache.has(1));
  EXPECT_EQ(cache.gather(backend, first).to_floats(), row.to_floats());
  cache.put(second, row);
  EXPECT_EQ(cache.gather(backend, second).to_floats(), row.to_floats());
}

TEST_F(PrefixFile, ADamagedFileIsComputedAnew) {
  ToyRun first(true, true, 16, folder);
  Position position;
  first.trainer->train_epoch(numbers(0, 18), position);
  const fs::path file = fs::directory_iterator(folder)->path();
  {
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(-5, std::ios::end);
    out.put('x');
  }
  ToyRun second(true, true, 16, folder);
  Position again;
  second.trainer->train_epoch(numbers(0, 18), again);
  EXPECT_EQ(second.images.streamed, 18);
  EXPECT_EQ(first.weights(), second.weights());
}

TEST(PrefixKeys, ChangeWithPhotosWeightsDtypeSizeAndBatch) {
  const ToyRun run(true);
  const auto keys = [&](const Context& ctx, int batch, const char* photos) {
    return prefix_keys(*run.net, 2, ctx, batch, photos);
  };
  const std::vector<std::string> first = keys(run.ctx, 8, "toy");
  ASSERT_EQ(first.size(), 3U);
  EXPECT_NE(first[1], first[2]);
  EXPECT_EQ(keys(run.ctx, 8, "toy"), first);
  EXPECT_EQ(prefix_keys(*run.net, 1, run.ctx, 8, "toy")[1], first[1]) << "a deeper cut changes no shallower key";
  EXPECT_NE(keys(run.ctx, 8, "other photos")[1], first[1]);
  EXPECT_NE(keys(run.ctx, 4, "toy")[1], first[1]);
  Context other = run.ctx;
  other.dtype = Dtype::bf16;
  EXPECT_NE(keys(other, 8, "toy")[1], first[1]);
  run.net->size = 16;
  EXPECT_NE(keys(run.ctx, 8, "toy")[1], first[1]);
  run.net->size = 12;
  Parameter* kernel = run.net->parameters.find("block/kernel");
  std::vector<float> moved = kernel->value().to_floats();
  moved.back() = std::nextafter(moved.back(), 10.0F);
  kernel->assign(moved);
  EXPECT_EQ(keys(run.ctx, 8, "toy")[1], first[1]) << "the weight lies behind this cut";
  EXPECT_NE(keys(run.ctx, 8, "toy")[2], first[2]);
}

/// A training with the first `frozen` stages frozen, three epochs long.
struct Outcome {
  std::vector<float> weights;
  double loss = 0;
  int streamed = 0;
};
Outcome train(std::size_t frozen, const std::shared_ptr<PrefixStore>& store, bool cache = true,
              const std::string& photos = "toy") {
  ToyRun run(cache, true, 1 << 20, {}, 0.25, {}, store, frozen);
  run.images.photos = photos;
  Position position;
  for (int epoch = 0; epoch < 3; ++epoch) run.trainer->train_epoch(numbers(0, 18), position);
  const double loss = run.trainer->evaluate(numbers(0, 22)).loss;
  return {run.weights(), loss, run.images.streamed};
}

TEST(PrefixStore, TrainingsWithTheSameFrozenPartShareOneCache) {
  const auto store = std::make_shared<PrefixStore>(PrefixCacheOptions{});
  const Outcome first = train(1, store), second = train(1, store), alone = train(1, nullptr, false);
  EXPECT_EQ(first.streamed, 22);
  EXPECT_EQ(second.streamed, 0);
  EXPECT_EQ(store->count(), 1U);
  EXPECT_EQ(first.weights, alone.weights);
  EXPECT_EQ(second.weights, alone.weights);
  EXPECT_EQ(second.loss, alone.loss);
}

TEST(PrefixStore, ADeeperCutStartsFromAShallowerOneAndGivesTheBitsOfAWholePass) {
  const auto store = std::make_shared<PrefixStore>(PrefixCacheOptions{});
  train(1, store);
  for (const std::size_t frozen : {2U, 3U}) {  // stem and block; the pool that follows has nothing to train
    const Outcome nested = train(frozen, store), whole = train(frozen, nullptr, false);
    EXPECT_EQ(nested.streamed, 0) << "no photo is looked at again";
    EXPECT_EQ(nested.weights, whole.weights);
    EXPECT_EQ(nested.loss, whole.loss);
  }
}

TEST(PrefixStore, OtherPhotosAreNeverServedFromTheCache) {
  const auto store = std::make_shared<PrefixStore>(PrefixCacheOptions{});
  train(1, store);
  EXPECT_EQ(train(1, store, true, "changed").streamed, 22);
  EXPECT_EQ(train(2, store, true, "changed again").streamed, 22) << "nor from a shallower one";
}

TEST(PrefixStore, ASourceThatLacksPhotosIsNotUsed) {
  const auto store = std::make_shared<PrefixStore>(PrefixCacheOptions{});
  ToyRun shallow(true, true, 1 << 20, {}, 0.25, {}, store, 1);
  EXPECT_TRUE(shallow.trainer->prepare(numbers(0, 10)));
  ToyRun deep(true, true, 1 << 20, {}, 0.25, {}, store, 2);
  EXPECT_TRUE(deep.trainer->prepare(numbers(5, 15)));
  EXPECT_EQ(deep.images.streamed, 10);
  EXPECT_TRUE(deep.trainer->prepare(numbers(0, 10)));
  EXPECT_EQ(deep.images.streamed, 10) << "rows 0-4 come from the shallower cache, 5-9 are there";
}

TEST(PrefixStore, TwoTrainingsAtOnceComputeEachRowOnce) {
  const auto store = std::make_shared<PrefixStore>(PrefixCacheOptions{});
  std::vector<Outcome> outcomes(2);
  {
    std::vector<std::jthread> threads;
    for (Outcome& outcome : outcomes) threads.emplace_back([&] { outcome = train(1, store); });
  }
  EXPECT_EQ(outcomes[0].streamed + outcomes[1].streamed, 22);
  EXPECT_EQ(outcomes[0].weights, outcomes[1].weights);
}

class StoreFiles : public PrefixFile {
 protected:
  [[nodiscard]] std::size_t files() const {
    if (!fs::exists(folder)) return 0;
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }
};

TEST_F(StoreFiles, TheLimitHoldsForAllCachesTogetherAndTheRestGoesToFiles) {
  // A stem's output is 6 x 6 x 8 floats an image, 22 images: 25,344 bytes; the block's is as large.
  const auto store = std::make_shared<PrefixStore>(PrefixCacheOptions{.memory_limit = 30'000, .folder = folder});
  const Outcome first = train(1, store);
  EXPECT_EQ(store->memory_bytes(), 25'344U);
  const std::size_t before = files();
  EXPECT_EQ(before, 0U);
  ToyRun deep(true, true, 1 << 20, {}, 0.25, {}, store, 1);
  deep.images.photos = "others";
  EXPECT_TRUE(deep.trainer->prepare(numbers(0, 22)));
  EXPECT_EQ(store->memory_bytes(), 25'344U);
  EXPECT_TRUE(deep.trainer->cache()->on_disk());
  EXPECT_EQ(files(), 1U);
  store->drop_all();
  EXPECT_EQ(files(), 0U) << "what nobody needs any more is removed";
  EXPECT_EQ(store->count(), 0U);
  EXPECT_EQ(deep.trainer->evaluate(numbers(0, 22)).images, 22) << "who still reads it can";
}

TEST_F(StoreFiles, StayForLaterProcessesUnlessTheyAreDropped) {
  for (const bool drop : {false, true}) {
    {
      PrefixStore store({.memory_limit = 0, .folder = folder});
      const auto backend = std::make_shared<ReferenceBackend>(BackendOptions{});
      const auto cache = store.open("key", 2, {2}, Dtype::f32);
      const std::vector<float> values = {1, 2, 3, 4};
      cache->put(numbers(0, 2), Tensor::from_host(backend, {2, 2}, Dtype::f32, std::span<const float>(values)));
      cache->seal();
      EXPECT_EQ(files(), 1U);
      if (drop) store.drop({"key"});
    }
    EXPECT_EQ(files(), drop ? 0U : 1U);
  }
}

}  // namespace
}  // namespace thaw
