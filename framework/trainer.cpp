#include "framework/trainer.h"

#include <algorithm>
#include <cmath>

#include "framework/training_step.h"
#include "kernels/error.h"

namespace thaw {

namespace {

/// Devices whose memory the host cannot read are asked for the loss once in so many steps.
constexpr std::int64_t kStepsBetweenReads = 32;

bool finite(const Tensor& tensor) {
  const Tensor sum = Tensor::empty(tensor.backend(), {1}, Dtype::f64);
  tensor.backend()->sum_squares(tensor.dtype(), tensor.numel(), tensor.data(), sum.data_as<double>());
  return std::isfinite(sum.to_doubles()[0]);
}

void collect_predictions(const Tensor& logits, std::vector<int>& predictions) {
  const std::vector<double> values = logits.to_doubles();
  const auto classes = static_cast<std::ptrdiff_t>(logits.shape()[1]);
  for (auto row = values.begin(); row != values.end(); row += classes) {
    predictions.push_back(static_cast<int>(std::max_element(row, row + classes) - row));
  }
}

}  // namespace

double mean_loss(const LossSums& sums) { return sums.images > 0 ? sums.loss / static_cast<double>(sums.images) : 0; }
double accuracy(const LossSums& sums) {
  return sums.images > 0 ? static_cast<double>(sums.correct) / static_cast<double>(sums.images) : 0;
}

Trainer::Trainer(Network& network, Context context, ImageSource& images, std::unique_ptr<Optimizer> optimizer,
                 TrainerOptions options)
    : network_(network),
      context_(std::move(context)),
      images_(images),
      optimizer_(std::move(optimizer)),
      options_(std::move(options)),
      trainable_(network.parameters.trainable()),
      cut_(network.cut()) {
  if (options_.batch < 1) fail(ErrorKind::usage, "the batch must hold at least 1 image, not {}", options_.batch);
  context_.seed = options_.seed;
  if (!options_.cache_prefix) {
    why_uncached_ = "switched off";
  } else if (cut_ == 0) {
    why_uncached_ = "the first stage trains";
  } else if (images_.augments()) {
    why_uncached_ = "augmentation changes the images every epoch";
  }
}

Context Trainer::inference_context() const {
  Context ctx = context_;
  ctx.tape = nullptr;
  ctx.training = false;
  return ctx;
}

Context Trainer::training_context(Tape& tape, const Position& position) const {
  Context ctx = context_;
  ctx.tape = &tape;
  ctx.training = true;
  ctx.step = static_cast<std::uint64_t>(position.step);
  return ctx;
}

Tensor Trainer::pixels_of(const HostBatch& batch, std::int64_t rows) const {
  const std::shared_ptr<Backend>& backend = context_.backend;
  const Dtype dtype = context_.master();
  const Shape shape{rows, network_.size, network_.size, 3};
  if (!batch.on_device.defined() && rows == batch.n) {
    return Tensor::from_host(backend, shape, dtype, std::span<const float>(batch.pixels));
  }
  if (!batch.on_device.defined()) {
    std::vector<float> padded = batch.pixels;
    padded.resize(static_cast<std::size_t>(shape.numel()), 0.0F);
    return Tensor::from_host(backend, shape, dtype, std::span<const float>(padded));
  }
  if (rows == batch.n) return batch.on_device;
  const Tensor padded = Tensor::zeros(backend, shape, dtype);
  backend->copy(padded.data(), batch.on_device.data(), batch.on_device.bytes());
  return padded;
}

Var Trainer::prefix_of(const HostBatch& batch) const {
  const std::int64_t rows = cut_ > 0 ? std::max(options_.batch, batch.n) : batch.n;
  Context ctx = inference_context();
  const Var y = network_.forward(ctx, network_.input(ctx, pixels_of(batch, rows)), 0, cut_);
  return rows == batch.n ? y : Var(y.value().rows(0, batch.n));
}

void Trainer::make_cache() {
  prefixes_ = options_.prefixes ? options_.prefixes : std::make_shared<PrefixStore>(options_.cache);
  keys_ = prefix_keys(network_, cut_, context_, options_.batch, images_.digest());
  cache_ = prefixes_->find(keys_[cut_]);
  if (cache_ != nullptr) return;
  const HostBatch probe{.n = 1,
                        .pixels = std::vector<float>(static_cast<std::size_t>(network_.size) * network_.size * 3)};
  const Tensor row = prefix_of(probe).value();
  const std::vector<std::int64_t> dims = row.shape().to_vector();
  cache_ = prefixes_->open(keys_[cut_], images_.image_count(), Shape(std::span<const std::int64_t>(dims).subspan(1)),
                           row.dtype());
}

Trainer::Shallower Trainer::shallower_with(const std::vector<int>& images) const {
  for (std::size_t cut = cut_; cut-- > 1;) {
    const std::shared_ptr<PrefixCache> cache = prefixes_->find(keys_[cut]);
    if (cache == nullptr) continue;
    const std::lock_guard lock(cache->filling);
    if (std::all_of(images.begin(), images.end(), [&](int i) { return cache->has(i); })) return {cache, cut};
  }
  return {};
}

bool Trainer::prepare(const std::vector<int>& images) {
  if (!why_uncached_.empty()) return true;
  if (cache_ == nullptr) make_cache();
  const std::lock_guard lock(cache_->filling);
  std::vector<int> missing;
  std::copy_if(images.begin(), images.end(), std::back_inserter(missing), [this](int i) { return !cache_->has(i); });
  if (missing.empty()) return true;
  const Shallower source = shallower_with(missing);
  if (!(source.cache != nullptr ? fill_from(source, missing) : fill(missing))) return false;
  cache_->seal();
  return true;
}

bool Trainer::fill(const std::vector<int>& missing) {
  Progress progress{.phase = Progress::Phase::prefix, .total = static_cast<std::int64_t>(missing.size())};
  const auto stream = images_.stream(missing, options_.batch, 0, false);
  HostBatch batch;
  while (stream->next(batch)) {
    cache_->put(batch.images, prefix_of(batch).value());
    progress.done += batch.n;
    on_progress(progress);
    if (stop_requested()) return false;
  }
  return true;
}

bool Trainer::fill_from(const Shallower& source, const std::vector<int>& missing) {
  Progress progress{.phase = Progress::Phase::prefix, .total = static_cast<std::int64_t>(missing.size())};
  Context ctx = inference_context();
  const auto size = static_cast<std::size_t>(options_.batch);
  for (std::size_t begin = 0; begin < missing.size(); begin += size) {
    std::vector<int> images(missing.begin() + static_cast<std::ptrdiff_t>(begin),
                            missing.begin() + static_cast<std::ptrdiff_t>(std::min(begin + size, missing.size())));
    const std::size_t count = images.size();
    images.resize(size, images.back());  // full batches, as `prefix_of` runs them
    const Var x(source.cache->gather(ctx.backend, images));
    cache_->put(std::span(images).first(count), network_.forward(ctx, x, source.cut, cut_).value());
    progress.done += static_cast<std::int64_t>(count);
    on_progress(progress);
    if (stop_requested()) return false;
  }
  return true;
}

bool Trainer::for_each_batch(std::vector<int> order, int epoch, bool training, const UseBatch& use) {
  if (why_uncached_.empty()) {
    if (!prepare(order)) return false;
    const auto size = static_cast<std::size_t>(options_.batch);
    for (std::size_t begin = 0; begin < order.size(); begin += size) {
      const std::vector<int> images(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                    order.begin() + static_cast<std::ptrdiff_t>(std::min(begin + size, order.size())));
      std::vector<std::int32_t> labels(images.size());
      std::transform(images.begin(), images.end(), labels.begin(), [this](int i) { return images_.label(i); });
      if (!use(Var(cache_->gather(context_.backend, images)), labels, images)) return false;
    }
    return true;
  }
  const auto stream = images_.stream(std::move(order), options_.batch, epoch, training);
  HostBatch batch;
  while (stream->next(batch)) {
    if (!use(prefix_of(batch), batch.labels, batch.images)) return false;
  }
  return true;
}

void Trainer::compute(const Var& x, const Tensor& labels, const Tensor& sums, const Position& position,
                      DropoutMasks* masks, const std::function<void()>& before_backward) {
  Context ctx = context_;
  ctx.step = static_cast<std::uint64_t>(position.step);
  ctx.masks = masks;
  const StepInputs inputs{
      .x = x, .labels = labels, .sums = sums, .cut = cut_, .trainable = trainable_, .learning_rate = learning_rate_};
  take_step(network_, ctx, inputs, *optimizer_, [&](const Tape&) { before_backward(); });
}

void Trainer::compute_recorded(const Var& x, const std::vector<std::int32_t>& labels, const Tensor& sums,
                               const Position& position) {
  Backend& backend = *context_.backend;
  FixedStep& fixed = fixed_steps_[static_cast<std::int64_t>(labels.size())];
  const bool first = !fixed.x.defined();
  if (first) {
    fixed.x = Tensor::empty(context_.backend, x.shape(), x.value().dtype());
    fixed.labels = Tensor::empty(context_.backend, {static_cast<std::int64_t>(labels.size())}, Dtype::i32);
  }
  backend.copy(fixed.x.data(), x.value().data(), fixed.x.bytes());
  backend.upload(fixed.labels.data(), labels.data(), fixed.labels.bytes());
  Context ctx = context_;
  ctx.step = static_cast<std::uint64_t>(position.step);
  fixed.masks.draw(ctx);
  const auto run = [&] { compute(Var(fixed.x), fixed.labels, sums, position, &fixed.masks, [] {}); };
  if (first) return run();
  if (fixed.recording == nullptr) {
    std::map<const Parameter*, std::uint64_t> versions;
    for (const Parameter& parameter : network_.parameters.all()) versions[&parameter] = parameter.version();
    fixed.recording = backend.record([&] { run(); });
    for (Parameter& parameter : network_.parameters.all()) {
      if (parameter.version() != versions.at(&parameter)) fixed.changed.push_back(&parameter);
    }
    backend.set_step_size(optimizer_->step_size(learning_rate_));
  } else {
    for (Parameter* parameter : fixed.changed) parameter->mark_changed();
    optimizer_->repeat(backend, learning_rate_);
  }
  backend.replay(*fixed.recording);
}

std::size_t Trainer::recordings() const {
  return static_cast<std::size_t>(std::count_if(fixed_steps_.begin(), fixed_steps_.end(),
                                                [](const auto& step) { return step.second.recording != nullptr; }));
}

void Trainer::step(const Var& x, const std::vector<std::int32_t>& labels, const Tensor& sums, Position& position) {
  learning_rate_ = options_.schedule.at(position.step);
  const bool host_visible = context_.backend->host_view(sums.data()) != nullptr;
  const auto look = [&] {
    if (!host_visible && position.step % kStepsBetweenReads != 0) return;
    position.sums = read_loss_sums(sums);
    if (position.sums.not_finite > 0) report_bad_step(x, position);
  };
  if (context_.backend->can_record() && !context_.observer) {
    compute_recorded(x, labels, sums, position);
    look();
  } else {
    compute(x, Tensor::from_labels(context_.backend, labels), sums, position, nullptr, look);
  }
  ++position.step;
  ++position.batch;
}

bool Trainer::train_epoch(const std::vector<int>& images, Position& position) {
  std::vector<int> order = images_.shuffled(images, options_.seed, position.epoch);
  const std::size_t skip =
      std::min(order.size(), static_cast<std::size_t>(position.batch) * static_cast<std::size_t>(options_.batch));
  Progress progress{.phase = Progress::Phase::train,
                    .done = static_cast<std::int64_t>(skip),
                    .total = static_cast<std::int64_t>(order.size())};
  order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(skip));
  if (position.batch == 0) position.sums = {};
  if (!sums_.defined()) sums_ = make_loss_sums(context_.backend);
  const Tensor sums = sums_;
  context_.backend->upload(sums.data(), &position.sums, sizeof(LossSums));
  bool stopped = false;
  const auto use = [&](const Var& x, const std::vector<std::int32_t>& labels, const std::vector<int>&) {
    step(x, labels, sums, position);
    progress.done += static_cast<std::int64_t>(labels.size());
    progress.sums = position.sums;
    on_progress(progress);
    stopped = stop_requested() && progress.done < progress.total;
    return !stopped;
  };
  const bool finished = for_each_batch(std::move(order), position.epoch, true, use);
  position.sums = read_loss_sums(sums);
  if (position.sums.not_finite > 0) {
    const std::string bad = bad_parameter();
    fail(ErrorKind::failed, "the loss became NaN or infinite in epoch {}{}; try a smaller --lr, or f32 instead of bf16",
         position.epoch + 1, bad.empty() ? "" : fmt::format("; the first bad tensor then was {}", bad));
  }
  if (!finished) return false;
  ++position.epoch;
  position.batch = 0;
  return true;
}

Evaluation Trainer::evaluate(const std::vector<int>& images) {
  const Tensor sums = make_loss_sums(context_.backend);
  Evaluation result;
  Progress progress{.phase = Progress::Phase::evaluate, .total = static_cast<std::int64_t>(images.size())};
  for_each_batch(images, 0, false, [&](const Var& x, const std::vector<std::int32_t>& labels, const std::vector<int>&) {
    Context ctx = inference_context();
    const Var logits = network_.forward(ctx, x, cut_, network_.stages.size());
    softmax_cross_entropy(ctx, logits, Tensor::from_labels(ctx.backend, labels), sums);
    collect_predictions(logits.value(), result.predictions);
    progress.done += static_cast<std::int64_t>(labels.size());
    on_progress(progress);
    return true;
  });
  const LossSums total = read_loss_sums(sums);
  result.loss = mean_loss(total);
  result.accuracy = accuracy(total);
  result.images = total.images;
  return result;
}

std::string Trainer::bad_parameter() const {
  const auto& all = network_.parameters.all();
  const auto bad = std::find_if(all.begin(), all.end(), [](const Parameter& p) { return !finite(p.value()); });
  return bad == all.end() ? "" : fmt::format("parameter '{}', spoiled by an earlier update", bad->name());
}

void Trainer::report_bad_step(const Var& x, const Position& position) const {
  std::string first = bad_parameter();
  if (first.empty() && !finite(x.value())) first = "the frozen prefix' output";
  if (first.empty()) {
    Tape tape;
    Context ctx = training_context(tape, position);
    ctx.observer = [&first](std::string_view layer, const Tensor& output, double) {
      if (first.empty() && !finite(output)) first = fmt::format("the output of layer '{}'", layer);
    };
    static_cast<void>(network_.forward(ctx, x, cut_, network_.stages.size()));
  }
  if (first.empty()) first = "the loss itself (every layer's output is finite)";
  fail(ErrorKind::failed,
       "the loss became NaN or infinite at step {} (epoch {}, batch {}); the first tensor that went bad is {}; try a "
       "smaller --lr, f32 instead of bf16, or look at the weights with `thaw weights verify`",
       position.step + 1, position.epoch + 1, position.batch + 1, first);
}

bool EarlyStopping::improved(double value) {
  const bool better = !best_ || (higher_ ? value - min_delta_ > *best_ : value + min_delta_ < *best_);
  waited_ = better ? 0 : waited_ + 1;
  if (better) best_ = value;
  return better;
}

}  // namespace thaw
