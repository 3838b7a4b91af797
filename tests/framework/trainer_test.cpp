#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"
#include "tests/framework/support.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using test::reference_context;

/// Twelve-pixel-square pictures of two classes that differ in brightness.
class ToyImages : public ImageSource {
 public:
  bool augmented = false;
  int streamed = 0;

  std::unique_ptr<BatchStream> stream(std::vector<int> images, int batch, int, bool) override {
    return std::make_unique<Stream>(*this, std::move(images), batch);
  }
  [[nodiscard]] std::int32_t label(int image) const override { return image % 2; }
  [[nodiscard]] int image_count() const override { return 22; }
  [[nodiscard]] bool augments() const override { return augmented; }
  [[nodiscard]] std::string digest() const override { return "toy"; }
  [[nodiscard]] std::vector<int> shuffled(const std::vector<int>& images, std::uint64_t seed,
                                          int epoch) const override {
    std::vector<int> order = images;
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[pointwise::random_bits(seed + static_cast<std::uint64_t>(epoch), i) % i]);
    }
    return order;
  }

 private:
  class Stream : public BatchStream {
   public:
    Stream(ToyImages& owner, std::vector<int> images, int batch)
        : owner_(owner), images_(std::move(images)), batch_(batch) {}
    bool next(HostBatch& out) override {
      out = {};
      for (; done_ < images_.size() && out.n < batch_; ++done_, ++out.n, ++owner_.streamed) {
        const int image = images_[done_];
        out.images.push_back(image);
        out.labels.push_back(owner_.label(image));
        for (const double v : test::values(12 * 12 * 3, static_cast<std::uint64_t>(image) + 100)) {
          out.pixels.push_back(static_cast<float>(100 + 50 * v + 60 * owner_.label(image)));
        }
      }
      return out.n > 0;
    }

   private:
    ToyImages& owner_;
    std::vector<int> images_;
    int batch_;
    std::size_t done_ = 0;
  };
};

std::vector<int> numbers(int from, int to) {
  std::vector<int> out(static_cast<std::size_t>(to - from));
  std::iota(out.begin(), out.end(), from);
  return out;
}

/// Stem -> block -> pool -> head, small enough for the reference backend.
std::unique_ptr<Network> toy_network(const std::shared_ptr<Backend>& backend, Dtype master, bool freeze_stem,
                                     double dropout_rate) {
  auto net = std::make_unique<Network>(backend, master, 5);
  net->id = "toy";
  net->size = 12;
  net->classes = 2;
  net->preprocessing = Preprocess::minus_one_to_one();
  const auto unit = [&net](const char* conv, const char* norm, const Shape& in, int stride) {
    return std::make_shared<ConvNorm>(
        Scope(net->parameters, conv), ConvConfig{.input = in, .filters = 8, .kernel = 3, .stride = stride},
        Scope(net->parameters, norm), NormConfig{}, Act::hard_swish, std::string(conv) + "_act");
  };
  const auto stem = unit("stem", "stem_bn", {12, 12, 3}, 2);
  const auto block = unit("block", "block_bn", {6, 6, 8}, 1);
  const auto head = std::make_shared<Dense>(Scope(net->parameters, "head"), 8, 2);
  const auto stage = [](const char* name, const std::shared_ptr<ConvNorm>& u) {
    return Stage{
        .name = name,
        .parameters = {u->conv.kernel, u->norm.gamma, u->norm.beta, u->norm.moving_mean, u->norm.moving_variance},
        .norms = {&u->norm},
        .forward = [u](Context& ctx, const Var& x) { return (*u)(ctx, x); }};
  };
  net->stages = {stage("stem", stem),
                 stage("block", block),
                 {.name = "pool", .forward = [](Context& ctx, const Var& x) { return global_average_pool(ctx, x); }},
                 {.name = "head",
                  .parameters = {head->kernel, head->bias},
                  .random = true,
                  .forward = [head, dropout_rate](Context& ctx, const Var& x) {
                    const Var kept = dropout_rate > 0 ? dropout(ctx, x, dropout_rate) : x;
                    return (*head)(ctx, cast(ctx, kept, ctx.master()));
                  }}};
  for (Parameter* p : net->stages[0].parameters) p->set_frozen(freeze_stem);
  return net;
}

struct ToyRun {
  explicit ToyRun(bool cache, bool freeze_stem = true, std::size_t memory = 1 << 20, fs::path folder = {},
                  double dropout_rate = 0.25, const BackendOptions& options = {}) {
    ctx = reference_context(Dtype::f32, options);
    net = toy_network(ctx.backend, Dtype::f32, freeze_stem, dropout_rate);
    trainer = std::make_unique<Trainer>(*net, ctx, images, make_adam(),
                                        TrainerOptions{.batch = 8,
                                                       .seed = 9,
                                                       .schedule = {.base = 0.02},
                                                       .cache_prefix = cache,
                                                       .cache = {.memory_limit = memory, .folder = std::move(folder)}});
  }
  std::vector<float> weights() const {
    std::vector<float> all;
    for (const Parameter& p : net->parameters.all()) {
      const std::vector<float> v = p.value().to_floats();
      all.insert(all.end(), v.begin(), v.end());
    }
    return all;
  }

  Context ctx;
  ToyImages images;
  std::unique_ptr<Network> net;
  std::unique_ptr<Trainer> trainer;
};

TEST(Trainer, LearnsAndReportsKerasRunningAccuracyAndATrueOne) {
  ToyRun run(true);
  Position position;
  for (int epoch = 0; epoch < 12; ++epoch) EXPECT_TRUE(run.trainer->train_epoch(numbers(0, 18), position));
  EXPECT_EQ(position.epoch, 12);
  EXPECT_EQ(position.step, 12 * 3);
  EXPECT_EQ(position.sums.images, 18) << "the sums are the last epoch's";
  const Evaluation after = run.trainer->evaluate(numbers(18, 22));
  EXPECT_EQ(after.accuracy, 1.0);
  EXPECT_EQ(after.predictions, (std::vector<int>{0, 1, 0, 1}));
}

TEST(Trainer, CachedAndRecomputedPrefixGiveTheSameBits) {
  ToyRun cached(true);
  ToyRun plain(false);
  EXPECT_EQ(cached.trainer->cut(), 1U);
  Position a;
  Position b;
  for (int epoch = 0; epoch < 3; ++epoch) {
    cached.trainer->train_epoch(numbers(0, 18), a);
    plain.trainer->train_epoch(numbers(0, 18), b);
  }
  EXPECT_EQ(cached.weights(), plain.weights());
  EXPECT_EQ(cached.images.streamed, 18) << "each image is decoded once";
  EXPECT_EQ(plain.images.streamed, 3 * 18);
  EXPECT_EQ(cached.trainer->evaluate(numbers(0, 22)).loss, plain.trainer->evaluate(numbers(0, 22)).loss);
}

/// A device that the host cannot look into, with room for blocks up to a size.
class BlindBackend : public ReferenceBackend {
 public:
  explicit BlindBackend(std::size_t largest) : largest_(largest) {}
  void* host_view(void*) override { return nullptr; }
  void* allocate(std::size_t bytes) override {
    if (bytes > largest_) fail(ErrorKind::failed, "{} bytes do not fit", bytes);
    return ReferenceBackend::allocate(bytes);
  }
  void upload(void* device, const void* host, std::size_t bytes) override {
    uploaded += bytes;
    ReferenceBackend::upload(device, host, bytes);
  }
  std::size_t uploaded = 0;

 private:
  std::size_t largest_;
};

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

TEST(Trainer, RepeatsRecordedStepsWithTheSameBits) {
  // Guarded memory cannot be recorded on. 18 images in batches of 8 are two batch sizes.
  ToyRun recorded(true, true, 1 << 20, {}, 0);
  ToyRun plain(true, true, 1 << 20, {}, 0, {.poison = true});
  ToyRun random(true);
  Position a;
  Position b;
  Position c;
  for (int epoch = 0; epoch < 4; ++epoch) {
    for (ToyRun* run : {&recorded, &plain}) {
      Position& position = run == &recorded ? a : b;
      run->trainer->train_epoch(numbers(0, 18), position);
      run->trainer->evaluate(numbers(18, 22));  // uses the memory of the steps in between, and what they changed
    }
    random.trainer->train_epoch(numbers(0, 18), c);
  }
  EXPECT_EQ(recorded.weights(), plain.weights());
  EXPECT_EQ(a.sums.loss, b.sums.loss);
  EXPECT_EQ(recorded.trainer->evaluate(numbers(0, 22)).loss, plain.trainer->evaluate(numbers(0, 22)).loss);
  EXPECT_EQ(recorded.trainer->optimizer().steps(), plain.trainer->optimizer().steps());
  EXPECT_EQ(recorded.trainer->recordings(), recorded.ctx.backend->can_record() ? 2U : 0U);
  EXPECT_EQ(plain.trainer->recordings(), 0U);
  EXPECT_EQ(random.trainer->recordings(), 0U) << "dropout draws another mask each step";
}

TEST(Trainer, UsesNoCacheWhereItWouldChangeTheResult) {
  ToyRun training_stem(true, false);
  EXPECT_EQ(training_stem.trainer->why_uncached(), "the first stage trains");
  ToyImages augmented;
  augmented.augmented = true;
  ToyRun run(true);
  const Trainer trainer(*run.net, run.ctx, augmented, make_adam(), TrainerOptions{});
  EXPECT_NE(trainer.why_uncached().find("augmentation"), std::string::npos);
}

TEST(Trainer, ACutNeverHidesANormInTrainingMode) {
  ToyRun run(true);
  run.net->stages[0].norms[0]->gamma->set_frozen(false);
  run.net->stages[0].norms[0]->beta->set_frozen(false);
  EXPECT_EQ(run.net->cut(), 0U);
}

TEST(Trainer, StoppedInTheMiddleOfAnEpochGoesOnWithTheSameBits) {
  ToyRun whole(true);
  Position position;
  for (int epoch = 0; epoch < 2; ++epoch) whole.trainer->train_epoch(numbers(0, 18), position);

  ToyRun first(true);
  Position at;
  first.trainer->stop_requested = [&at] { return at.step == 4; };
  EXPECT_TRUE(first.trainer->train_epoch(numbers(0, 18), at));
  EXPECT_FALSE(first.trainer->train_epoch(numbers(0, 18), at));
  EXPECT_EQ(at.batch, 1);

  ToyRun second(true);
  for (Parameter& p : second.net->parameters.all()) p.assign(first.net->parameters.find(p.name())->value().to_floats());
  std::map<std::string, std::vector<float>> state;
  for (const auto& [name, tensor] : first.trainer->optimizer().state()) state[name] = tensor.to_floats();
  second.trainer->optimizer().restore(first.trainer->optimizer().steps(), state, second.net->parameters.trainable());
  EXPECT_TRUE(second.trainer->train_epoch(numbers(0, 18), at));
  EXPECT_EQ(second.weights(), whole.weights());
  EXPECT_EQ(at.sums.loss, position.sums.loss);
}

TEST(Trainer, NamesTheStepAndTheFirstTensorThatWentBad) {
  ToyRun run(true);
  Position position;
  run.trainer->train_epoch(numbers(0, 18), position);
  Parameter* gamma = run.net->parameters.find("block_bn/gamma");
  std::vector<float> spoiled = gamma->value().to_floats();
  spoiled[3] = std::numeric_limits<float>::quiet_NaN();
  gamma->assign(spoiled);
  try {
    run.trainer->train_epoch(numbers(0, 18), position);
    FAIL() << "went on";
  } catch (const Error& e) {
    const std::string text = e.what();
    // Where the host cannot see the loss, it is read every 32 steps and at the epoch's end.
    const bool visible = run.ctx.backend->host_view(gamma->value().data()) != nullptr;
    EXPECT_NE(text.find(visible ? "step 4" : "epoch 2"), std::string::npos) << text;
    EXPECT_NE(text.find(visible ? "'block_bn/gamma'" : "'block"), std::string::npos) << text;
  }
}

TEST(Trainer, NamesTheLayerWhoseOutputOverflowed) {
  ToyRun run(true);
  Parameter* kernel = run.net->parameters.find("head/kernel");
  kernel->assign(std::vector<float>(16, 3e38F));
  Position position;
  try {
    run.trainer->train_epoch(numbers(0, 18), position);
    FAIL() << "went on";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("first tensor"), std::string::npos) << e.what();
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

TEST_F(PrefixFile, AChangedWeightOrDtypeOrCutHasAnotherKey) {
  ToyRun run(true);
  const std::string key = prefix_key(*run.net, 1, run.ctx, 8, "toy");
  EXPECT_EQ(prefix_key(*run.net, 1, run.ctx, 8, "toy"), key);
  EXPECT_NE(prefix_key(*run.net, 2, run.ctx, 8, "toy"), key);
  EXPECT_NE(prefix_key(*run.net, 1, run.ctx, 8, "other photos"), key);
  Context other = run.ctx;
  other.dtype = Dtype::bf16;
  EXPECT_NE(prefix_key(*run.net, 1, other, 8, "toy"), key);
  Parameter* kernel = run.net->parameters.find("stem/kernel");
  std::vector<float> moved = kernel->value().to_floats();
  moved.back() = std::nextafter(moved.back(), 10.0F);
  kernel->assign(moved);
  EXPECT_NE(prefix_key(*run.net, 1, run.ctx, 8, "toy"), key);
}

TEST(EarlyStopping, FollowsKerasRule) {
  EarlyStopping stop(true, 2, 0.0);
  EXPECT_TRUE(stop.improved(0.5));
  EXPECT_FALSE(stop.improved(0.5));
  EXPECT_FALSE(stop.should_stop());
  EXPECT_FALSE(stop.improved(0.4));
  EXPECT_TRUE(stop.should_stop());
  EXPECT_TRUE(stop.improved(0.6));
  EXPECT_FALSE(stop.should_stop());
  EXPECT_DOUBLE_EQ(*stop.best(), 0.6);
}

}  // namespace
}  // namespace thaw
