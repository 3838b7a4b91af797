#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/dropout_masks.h"
#include "framework/network.h"
#include "framework/optimizer.h"
#include "framework/prefix_store.h"
#include "framework/schedule.h"

namespace thaw {

/// A batch: pixels (n,S,S,3) RGB 0..255 f32, labels, and which images they are.
struct HostBatch {
  int n = 0;
  std::vector<float> pixels = {};
  Tensor on_device = {};  ///< the pixels, where the trainer's device has them already; then `pixels` does not count
  std::vector<std::int32_t> labels = {};
  std::vector<int> images = {};
};

/// Delivers batches in order; `next` returns false behind the last one.
class BatchStream {
 public:
  virtual ~BatchStream() = default;
  virtual bool next(HostBatch& batch) = 0;
};

/// Where the trainer gets its images from; data/ implements it.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  /// Batches of these images in this order, the last one short. `epoch` moves the augmentation, where `augment` asks.
  virtual std::unique_ptr<BatchStream> stream(std::vector<int> images, int batch, int epoch, bool augment) = 0;
  [[nodiscard]] virtual std::int32_t label(int image) const = 0;
  [[nodiscard]] virtual int image_count() const = 0;
  [[nodiscard]] virtual bool augments() const = 0;
  /// A digest of every image and how it is prepared.
  [[nodiscard]] virtual std::string digest() const = 0;
  /// The order in which an epoch visits `images`: a pure function of the seed and the epoch.
  [[nodiscard]] virtual std::vector<int> shuffled(const std::vector<int>& images, std::uint64_t seed,
                                                  int epoch) const = 0;
};

/// A loss and accuracy (fractions) over some images.
struct Evaluation {
  double loss = 0;
  double accuracy = 0;
  std::int64_t images = 0;
  std::vector<int> predictions = {};  ///< first largest logit, per image
};

/// What one epoch did. `train_*` have Keras' meaning: running averages in training mode, before each update.
struct EpochMetrics {
  int epoch = 0;  ///< counted from 1
  double train_loss = 0, train_accuracy = 0;
  std::optional<Evaluation> train_eval = {};  ///< inference mode, after the epoch's last update
  Evaluation validation = {};
  double learning_rate = 0;  ///< of the epoch's last step
  double train_seconds = 0, eval_seconds = 0;
  double images_per_second = 0;  ///< of the training part
};

/// Where a run stands: with the parameters and the optimizer's state, all that an exact resume needs.
struct Position {
  int epoch = 0;          ///< finished epochs
  int batch = 0;          ///< finished batches of the epoch that is under way
  std::int64_t step = 0;  ///< finished steps
  LossSums sums = {};     ///< of the epoch that is under way
};

struct TrainerOptions {
  int batch = 32;
  std::uint64_t seed = 0;
  Schedule schedule = {};
  bool cache_prefix = true;
  PrefixCacheOptions cache = {};
  std::shared_ptr<PrefixStore> prefixes = {};  ///< shared with other trainings, instead of an own one with `cache`
};

/// What is reported while work goes on.
struct Progress {
  enum class Phase : std::uint8_t { prefix, train, evaluate } phase = Phase::train;
  std::int64_t done = 0, total = 0;  ///< images
  LossSums sums = {};
};

/// Trains a network on images, running only the stages behind the frozen prefix where that changes nothing.
class Trainer {
 public:
  Trainer(Network& network, Context context, ImageSource& images, std::unique_ptr<Optimizer> optimizer,
          TrainerOptions options);

  /// Runs the epoch that `position` stands in, from its batch on; returns false if it was asked to stop in between.
  /// Throws `Error` (failed) where the loss is NaN or infinite, naming the step and the first tensor that went bad.
  bool train_epoch(const std::vector<int>& images, Position& position);
  /// Loss, accuracy and predictions in inference mode.
  Evaluation evaluate(const std::vector<int>& images);
  /// Computes the prefix' activations of these images, where the cache may be used; returns false if asked to stop.
  bool prepare(const std::vector<int>& images);

  std::function<bool()> stop_requested = [] { return false; };
  std::function<void(const Progress&)> on_progress = [](const Progress&) {};

  [[nodiscard]] std::size_t cut() const { return cut_; }
  /// Why the prefix is not cached; empty where it is.
  [[nodiscard]] const std::string& why_uncached() const { return why_uncached_; }
  [[nodiscard]] const PrefixCache* cache() const { return cache_.get(); }
  [[nodiscard]] Optimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] Network& network() { return network_; }
  /// Batch sizes whose training step is a recording that is replayed.
  [[nodiscard]] std::size_t recordings() const;
  /// The learning rate of the last step.
  [[nodiscard]] double learning_rate() const { return learning_rate_; }

 private:
  [[nodiscard]] Context training_context(Tape& tape, const Position& position) const;
  [[nodiscard]] Context inference_context() const;
  /// The cut's activations of a host batch: the frozen prefix, run in full batches so that an image's row never depends
  /// on how many others came with it.
  [[nodiscard]] Var prefix_of(const HostBatch& batch) const;
  /// The batch's pixels, and black images behind them up to `rows`.
  [[nodiscard]] Tensor pixels_of(const HostBatch& batch, std::int64_t rows) const;
  void make_cache();
  /// Cached activations before a shallower cut, from which those before this one follow.
  struct Shallower {
    std::shared_ptr<PrefixCache> cache = {};
    std::size_t cut = 0;
  };
  /// The deepest of them that has all these images; none (null) where there is none.
  [[nodiscard]] Shallower shallower_with(const std::vector<int>& images) const;
  /// Computes the missing rows and puts them in; false if asked to stop.
  bool fill(const std::vector<int>& missing);
  bool fill_from(const Shallower& source, const std::vector<int>& missing);
  /// Calls `use(x, labels, images)` for each batch in order; false as soon as it returns false.
  using UseBatch = std::function<bool(const Var&, const std::vector<std::int32_t>&, const std::vector<int>&)>;
  bool for_each_batch(std::vector<int> order, int epoch, bool training, const UseBatch& use);
  void step(const Var& x, const std::vector<std::int32_t>& labels, const Tensor& sums, Position& position);
  /// Forward, loss and, after `before_backward`, backward and update. `masks` may be null.
  void compute(const Var& x, const Tensor& labels, const Tensor& sums, const Position& position, DropoutMasks* masks,
               const std::function<void()>& before_backward);
  /// The same by a recording of it, made at a batch size' second step, where the device can record.
  void compute_recorded(const Var& x, const std::vector<std::int32_t>& labels, const Tensor& sums,
                        const Position& position);
  /// The first parameter with a NaN or infinity, and why that may be; empty where there is none.
  [[nodiscard]] std::string bad_parameter() const;
  [[noreturn]] void report_bad_step(const Var& x, const Position& position) const;

  Network& network_;
  Context context_;
  ImageSource& images_;
  std::unique_ptr<Optimizer> optimizer_;
  TrainerOptions options_;
  std::vector<Parameter*> trainable_;
  std::size_t cut_;
  std::string why_uncached_;
  std::vector<std::string> keys_;  // of the prefixes up to the cut
  std::shared_ptr<PrefixStore> prefixes_;
  std::shared_ptr<PrefixCache> cache_;
  double learning_rate_ = 0;

  /// A training step of one batch size: its inputs keep their place, so that it can be recorded.
  struct FixedStep {
    Tensor x = {};
    Tensor labels = {};
    std::unique_ptr<Recording> recording = {};
    std::vector<Parameter*> changed = {};  ///< whose values a replay changes
    DropoutMasks masks = {};
  };
  std::map<std::int64_t, FixedStep> fixed_steps_;
  Tensor sums_ = {};  ///< of the epoch under way, at one address for all recordings
};

/// Means of a `LossSums`.
double mean_loss(const LossSums& sums);
double accuracy(const LossSums& sums);

/// EarlyStopping and ModelCheckpoint's rule (Keras): a value improves if it is strictly better by `min_delta`; the
/// first always does. `patience` bad epochs in a row ask to stop.
class EarlyStopping {
 public:
  EarlyStopping(bool higher_is_better, int patience, double min_delta)
      : higher_(higher_is_better), patience_(patience), min_delta_(min_delta) {}
  /// Tells of an epoch's value; returns whether it improved.
  bool improved(double value);
  [[nodiscard]] bool should_stop() const { return patience_ > 0 && waited_ >= patience_; }
  [[nodiscard]] std::optional<double> best() const { return best_; }

 private:
  bool higher_;
  int patience_;
  double min_delta_;
  std::optional<double> best_;
  int waited_ = 0;
};

}  // namespace thaw
