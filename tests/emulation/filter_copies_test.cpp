// Filters that train have a bf16 copy that their updates write. A library that takes its filters in bf16 stands in for
// NVIDIA's.
#include "kernels/cuda/filter_copies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/cuda/cuda_backend.h"
#include "tests/emulation/empty_library.h"
#include "tests/framework/toy_run.h"

namespace thaw::cuda {

namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

/// What the library was given, of all backends of a test.
std::vector<const void*> given_filters;

/// thaw's own products with filters that were narrowed before.
class NarrowLibrary : public EmptyLibrary {
 public:
  explicit NarrowLibrary(DeviceMemory& memory) : memory_(memory) {}

  bool conv_forward(const ConvProblem& problem, const void* filter, const ConvForward& args) override {
    const Block wide = widened(problem.dtype, problem.filter_size(), filter);
    ConvForward own = args;
    own.w = wide.data();
    product_forward({}, problem, own);
    return true;
  }
  bool conv_backward_data(const ConvProblem& problem, const void* filter, const void* dy, void* dx) override {
    const Block wide = widened(problem.dtype, problem.filter_size(), filter);
    product_backward_data({}, problem, static_cast<const float*>(wide.data()), dy, dx);
    return true;
  }
  bool dense_forward(const DenseProblem& problem, const void* x, const void* weights, const void* bias,
                     void* y) override {
    return conv_forward(problem.as_conv(), weights, {.x = x, .bias = bias, .y = y});
  }
  bool dense_backward_data(const DenseProblem& problem, const void* weights, const void* dy, void* dx) override {
    return conv_backward_data(problem.as_conv(), weights, dy, dx);
  }

 private:
  /// Not by a kernel, so that the casts among the launches are the backend's.
  Block widened(Dtype dtype, std::int64_t count, const void* filter) {
    given_filters.push_back(filter);
    Block wide(memory_, static_cast<std::size_t>(count) * sizeof(float));
    auto* out = static_cast<float*>(wide.data());
    emulation::submit([=] {
      for (std::int64_t i = 0; i < count; ++i) {
        out[i] = dtype == Dtype::bf16 ? static_cast<float>(static_cast<const bf16*>(filter)[i])
                                      : static_cast<const float*>(filter)[i];
      }
    });
    return wide;
  }

  DeviceMemory& memory_;
};

std::unique_ptr<Library> make_narrow_library(Gpu&, DeviceMemory& memory, const BackendOptions&) {
  return std::make_unique<NarrowLibrary>(memory);
}

/// A backend on which no filter has a copy, because convolutions see each under a new address.
class WithoutCopies : public CudaBackend {
 public:
  using CudaBackend::CudaBackend;
  void conv_forward(const ConvProblem& problem, const ConvForward& args) override {
    ConvForward moved = args;
    void* filter = moved_filter(problem, args.w);
    moved.w = filter;
    CudaBackend::conv_forward(problem, moved);
    release(filter);
  }
  void conv_backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) override {
    void* filter = moved_filter(problem, w);
    CudaBackend::conv_backward_data(problem, filter, dy, dx);
    release(filter);
  }

 private:
  void* moved_filter(const ConvProblem& problem, const void* w) {
    const std::size_t bytes = static_cast<std::size_t>(problem.filter_size()) * sizeof(float);
    void* filter = allocate(bytes);
    copy(filter, w, bytes);
    return filter;
  }
};

/// A 3x3 convolution in bf16 whose filter is moved by SGD.
class NarrowFilters : public testing::Test {
 protected:
  static constexpr ConvProblem problem{.n = 1, .c = 3, .h = 5, .w = 4, .k = 7, .r = 3, .s = 3, .dtype = Dtype::bf16};
  static constexpr std::int64_t count = 7 * 3 * 3 * 3;

  NarrowFilters() : x_(block(problem.input_size() * 2)), y_(block(problem.output_size() * 2)) {
    std::vector<bf16> pixels;
    for (const double v : test::values(problem.input_size(), 3)) pixels.emplace_back(static_cast<float>(v));
    backend_.upload(x_.data(), pixels.data(), pixels.size() * sizeof(bf16));
    backend_.upload(w_.data(), start_.data(), w_.bytes());
    backend_.upload(g_.data(), start_.data(), g_.bytes());
    given_filters.clear();
  }

  static std::vector<float> floats_of(std::uint64_t stream) {
    const std::vector<double> values = test::values(count, stream);
    return {values.begin(), values.end()};
  }

  /// A block that the backend releases.
  class Owned {
   public:
    Owned(Backend& backend, std::int64_t bytes)
        : backend_(backend), data_(backend.allocate(static_cast<std::size_t>(bytes))), bytes_(bytes) {}
    ~Owned() { backend_.release(data_); }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    [[nodiscard]] void* data() const { return data_; }
    [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(bytes_); }

   private:
    Backend& backend_;
    void* data_;
    std::int64_t bytes_;
  };
  Owned block(std::int64_t bytes) { return {backend_, bytes}; }

  static std::vector<std::string> launches_of(const std::function<void()>& work) {
    std::vector<std::string> names;
    emulation::launches = &names;
    work();
    emulation::launches = nullptr;
    return names;
  }
  void convolve() { backend_.conv_forward(problem, {.x = x_.data(), .w = w_.data(), .y = y_.data()}); }
  void update() {
    const UpdateSlot slot{.w = w_.data(), .g = g_.data(), .count = count};
    backend_.sgd(Dtype::f32, {&slot, 1}, {.lr = 0.25});
  }
  /// What the next convolution is given equals the filter's present values, rounded, in every bit.
  void expect_rounded_filter() {
    convolve();
    std::vector<float> masters(count);
    backend_.download(masters.data(), w_.data(), w_.bytes());
    std::vector<bf16> found(count);
    backend_.download(found.data(), given_filters.back(), count * sizeof(bf16));
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(found[i].bits, bf16(masters[i]).bits) << "element " << i;
  }

  CudaBackend backend_{0, {}, make_narrow_library};
  Owned x_;
  Owned y_;
  Owned w_ = block(count * 4);
  Owned g_ = block(count * 4);
  std::vector<float> start_ = floats_of(1);
};

}  // namespace

TEST_F(NarrowFilters, AreWrittenByTheOneLaunchOfAnUpdate) {
  EXPECT_THAT(launches_of([&] { convolve(); }), Contains("cast"));
  EXPECT_THAT(launches_of([&] { update(); }), ElementsAre("sgd"));
  EXPECT_THAT(launches_of([&] { convolve(); }), Not(Contains("cast")));
  const void* copy = given_filters.back();
  for (int step = 0; step < 3; ++step) {
    expect_rounded_filter();
    EXPECT_EQ(given_filters.back(), copy) << "a copy moved";
    EXPECT_THAT(launches_of([&] { update(); }), ElementsAre("sgd"));
  }
}

TEST_F(NarrowFilters, AreNotMadeOfFiltersThatAreNotUpdated) {
  const Owned other = block(count * 4);
  backend_.zero(other.data(), other.bytes());
  const UpdateSlot slot{.w = other.data(), .g = g_.data(), .count = count};
  const std::size_t used = backend_.stats().used_bytes;
  for (int step = 0; step < 3; ++step) {
    EXPECT_THAT(launches_of([&] { convolve(); }), Contains("cast"));
    backend_.sgd(Dtype::f32, {&slot, 1}, {.lr = 0.25});
  }
  EXPECT_EQ(backend_.stats().used_bytes, used) << "nor of parameters that no convolution takes";
}

TEST_F(NarrowFilters, FollowEveryWriteIntoTheirFilterInPlace) {
  convolve();
  update();
  convolve();
  const void* copy = given_filters.back();
  const std::vector<float> other = floats_of(8);
  backend_.upload(w_.data(), other.data(), w_.bytes());
  expect_rounded_filter();
  auto* last = static_cast<float*>(w_.data()) + count - 1;
  backend_.upload(last, other.data(), sizeof(float));
  expect_rounded_filter();
  backend_.copy(w_.data(), g_.data(), w_.bytes());
  expect_rounded_filter();
  backend_.zero(static_cast<float*>(w_.data()) + 5, 3 * sizeof(float));
  expect_rounded_filter();
  EXPECT_EQ(given_filters.back(), copy);
  EXPECT_THAT(launches_of([&] { backend_.upload(g_.data(), other.data(), g_.bytes()); }), ElementsAre());
}

TEST_F(NarrowFilters, EndWithTheirFilter) {
  const std::size_t used = backend_.stats().used_bytes;
  void* released = backend_.allocate(w_.bytes() + 64);
  auto* filter = static_cast<std::byte*>(released) + 64;
  backend_.upload(filter, start_.data(), w_.bytes());
  const auto call = [&] { backend_.conv_forward(problem, {.x = x_.data(), .w = filter, .y = y_.data()}); };
  call();
  const UpdateSlot slot{.w = filter, .g = g_.data(), .count = count};
  backend_.sgd(Dtype::f32, {&slot, 1}, {.lr = 0.25});
  EXPECT_THAT(launches_of(call), Not(Contains("cast")));
  backend_.release(released);
  EXPECT_EQ(backend_.stats().used_bytes, used);
  released = backend_.allocate(w_.bytes() + 64);
  EXPECT_EQ(static_cast<std::byte*>(released) + 64, filter);
  EXPECT_THAT(launches_of(call), Contains("cast")) << "another filter lies there now";
  backend_.release(released);
}

TEST_F(NarrowFilters, AreKeptByReplays) {
  convolve();
  update();
  std::size_t used = backend_.stats().used_bytes;
  const auto step = backend_.record([&] {
    convolve();
    update();
  });
  EXPECT_EQ(backend_.stats().used_bytes, used);
  backend_.set_step_size(0.5);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(launches_of([&] { backend_.replay(*step); }), ElementsAre("convolution", "sgd"));
    expect_rounded_filter();
  }
  backend_.upload(w_.data(), start_.data(), w_.bytes());
  backend_.replay(*step);
  expect_rounded_filter();
}

TEST_F(NarrowFilters, AreNotMadeWhileRecordingAndCastBehindReplaysThatDoNotKnowThem) {
  const std::size_t used = backend_.stats().used_bytes;
  const auto step = backend_.record([&] {
    convolve();
    update();
  });
  EXPECT_EQ(backend_.stats().used_bytes, used);
  backend_.set_step_size(0.5);
  backend_.replay(*step);
  expect_rounded_filter();
  update();
  EXPECT_THAT(launches_of([&] { convolve(); }), Not(Contains("cast")));
  backend_.replay(*step);
  expect_rounded_filter();
}

TEST_F(NarrowFilters, ChangeNoBitOfATrainingWithItsReplaysAndAnUploadInBetween) {
  const auto weights_after = [](const std::shared_ptr<Backend>& backend) {
    const auto net = test::toy_network(backend, Dtype::f32, false, 0);
    test::ToyImages images;
    Context ctx{.backend = backend, .dtype = Dtype::bf16};
    Trainer trainer(*net, ctx, images, make_adam(), {.batch = 8, .seed = 9, .schedule = {.base = 0.02}});
    Position position;
    std::vector<float> all;
    for (int epoch = 0; epoch < 4; ++epoch) {
      trainer.train_epoch(test::numbers(0, 18), position);
      all.push_back(static_cast<float>(trainer.evaluate(test::numbers(0, 22)).loss));
      if (epoch == 2) {
        Parameter& kernel = *net->parameters.find("block/kernel");
        std::vector<float> values = kernel.value().to_floats();
        std::reverse(values.begin(), values.end());
        kernel.assign(values);
      }
    }
    EXPECT_EQ(trainer.recordings(), 2U);
    for (const Parameter& p : net->parameters.all()) {
      const std::vector<float> v = p.value().to_floats();
      all.insert(all.end(), v.begin(), v.end());
    }
    return all;
  };
  std::vector<float> with;
  std::vector<float> without;
  const auto casts = [](const std::vector<std::string>& names) {
    return std::count(names.begin(), names.end(), "cast");
  };
  const auto fewer = casts(launches_of(
      [&] { with = weights_after(std::make_shared<CudaBackend>(0, BackendOptions{}, make_narrow_library)); }));
  const auto more = casts(launches_of(
      [&] { without = weights_after(std::make_shared<WithoutCopies>(0, BackendOptions{}, make_narrow_library)); }));
  EXPECT_EQ(with, without);
  // Twelve steps with two convolutions forward and one back, or the first of them and the upload.
  EXPECT_EQ(more - fewer, 12 * 3 - 4);
}

}  // namespace thaw::cuda
