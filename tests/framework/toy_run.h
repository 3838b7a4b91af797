#pragma once

#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "framework/trainer.h"
#include "tests/framework/support.h"

namespace thaw::test {

namespace fs = std::filesystem;

/// Twelve-pixel-square pictures of two classes that differ in brightness.
class ToyImages : public ImageSource {
 public:
  bool augmented = false;
  int streamed = 0;
  std::shared_ptr<Backend> device = {};  ///< whose memory the pixels are in; null: the host's

  std::unique_ptr<BatchStream> stream(std::vector<int> images, int batch, int, bool) override {
    return std::make_unique<Stream>(*this, std::move(images), batch);
  }
  [[nodiscard]] std::int32_t label(int image) const override { return image % 2; }
  [[nodiscard]] int image_count() const override { return 22; }
  [[nodiscard]] bool augments() const override { return augmented; }
  std::string photos = "toy";  ///< what the digest says of them
  [[nodiscard]] std::string digest() const override { return photos; }
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
        for (const double v : values(12 * 12 * 3, static_cast<std::uint64_t>(image) + 100)) {
          out.pixels.push_back(static_cast<float>(100 + 50 * v + 60 * owner_.label(image)));
        }
      }
      if (owner_.device != nullptr && out.n > 0) {
        out.on_device =
            Tensor::from_host(owner_.device, {out.n, 12, 12, 3}, Dtype::f32, std::span<const float>(out.pixels));
        out.pixels.clear();
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

inline std::vector<int> numbers(int from, int to) {
  std::vector<int> out(static_cast<std::size_t>(to - from));
  std::iota(out.begin(), out.end(), from);
  return out;
}

/// Stem -> block -> pool -> head, small enough for the reference backend.
inline std::unique_ptr<Network> toy_network(const std::shared_ptr<Backend>& backend, Dtype master, bool freeze_stem,
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

/// A training of the toy network; `frozen` are the stages from the first on that do not train (0: as `freeze_stem`).
struct ToyRun {
  explicit ToyRun(bool cache, bool freeze_stem = true, std::size_t memory = 1 << 20, fs::path folder = {},
                  double dropout_rate = 0.25, const BackendOptions& options = {},
                  std::shared_ptr<PrefixStore> prefixes = {}, std::size_t frozen = 0) {
    ctx = reference_context(Dtype::f32, options);
    net = toy_network(ctx.backend, Dtype::f32, freeze_stem, dropout_rate);
    for (std::size_t i = 0; i < frozen; ++i) {
      for (Parameter* p : net->stages[i].parameters) p->set_frozen(true);
    }
    trainer = std::make_unique<Trainer>(*net, ctx, images, make_adam(),
                                        TrainerOptions{.batch = 8,
                                                       .seed = 9,
                                                       .schedule = {.base = 0.02},
                                                       .cache_prefix = cache,
                                                       .cache = {.memory_limit = memory, .folder = std::move(folder)},
                                                       .prefixes = std::move(prefixes)});
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

}  // namespace thaw::test
