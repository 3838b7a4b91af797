#include "microscope/step.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>

#include "framework/optimizer.h"
#include "kernels/pointwise.h"
#include "models/selector.h"
#include "models/zoo.h"

namespace thaw::microscope {

namespace {

constexpr int kWarmUp = 2;
constexpr int kProfiled = 3;  // steps in which every call is waited for

/// A network in training, with one batch of random pixels.
class Trainee {
 public:
  Trainee(const std::shared_ptr<Backend>& backend, const NetOptions& options)
      : backend_(backend), watch_(backend->stopwatch()), options_(options), adam_(make_adam()) {
    const HeadOptions head{.classes = options.classes, .dropout = 0.2};
    net_ = build_model(options.model, backend,
                       {.size = options.size, .head = head, .master = master_dtype(options.dtype)});
    apply_selection(*net_, select_layers(*net_, options.unfreeze), parse_norm_mode(options.bn));
    std::vector<float> pixels(static_cast<std::size_t>(options.batch) * static_cast<std::size_t>(options.size) *
                              static_cast<std::size_t>(options.size) * 3);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = 255.0F * pointwise::uniform(1, i);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(options.batch));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      labels[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(options.classes));
    }
    pixels_ = Tensor::from_host(backend, {options.batch, options.size, options.size, 3}, Dtype::f32,
                                std::span<const float>(pixels));
    labels_ = Tensor::from_labels(backend, labels);
    trainable_ = net_->parameters.trainable();
  }

  /// Seconds of a forward pass in inference mode.
  double evaluate() {
    Context ctx{.backend = backend_, .dtype = options_.dtype};
    watch_->start();
    static_cast<void>(net_->forward(ctx, net_->input(ctx, pixels_), 0, net_->stages.size()));
    return watch_->stop();
  }

  /// One step; its phases in seconds, by name.
  std::vector<std::pair<std::string, double>> step() {
    Tape tape;
    Context ctx{.backend = backend_, .dtype = options_.dtype, .tape = &tape, .training = true, .step = steps_++};
    const Tensor sums = make_loss_sums(backend_);
    Var logits;
    std::vector<std::pair<std::string, double>> phases;
    const auto phase = [&](const char* name, const auto& work) {
      watch_->start();
      work();
      phases.emplace_back(name, watch_->stop());
    };
    phase("forward", [&] { logits = net_->forward(ctx, net_->input(ctx, pixels_), 0, net_->stages.size()); });
    phase("loss", [&] { softmax_cross_entropy(ctx, logits, labels_, sums); });
    phase("backward", [&] { tape.backward(); });
    phase("optimizer", [&] {
      adam_->step(trainable_, 1e-5);
      net_->parameters.clear_gradients();
    });
    return phases;
  }

 private:
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<Stopwatch> watch_;
  NetOptions options_;
  std::unique_ptr<Optimizer> adam_;
  std::unique_ptr<Network> net_;
  Tensor pixels_, labels_;
  std::vector<Parameter*> trainable_;
  std::uint64_t steps_ = 0;
};

/// Mean of a few steps by kind of call, the longest first.
std::vector<KindOfCall> profile(const std::shared_ptr<Backend>& backend, const NetOptions& options) {
  const auto timed = std::make_shared<TimedBackend>(backend);
  Trainee trainee(timed, options);
  for (int i = 0; i < kWarmUp; ++i) trainee.step();
  timed->clear();
  for (int i = 0; i < kProfiled; ++i) trainee.step();
  std::vector<KindOfCall> kinds;
  for (const auto& [kind, work] : timed->kinds) {
    kinds.push_back({kind,
                     {.milliseconds = work.milliseconds / kProfiled,
                      .flops = work.flops / kProfiled,
                      .bytes = work.bytes / kProfiled,
                      .calls = work.calls / kProfiled}});
  }
  std::sort(kinds.begin(), kinds.end(),
            [](const KindOfCall& a, const KindOfCall& b) { return a.work.milliseconds > b.work.milliseconds; });
  return kinds;
}

}  // namespace

StepReport time_step(const std::shared_ptr<Backend>& backend, const NetOptions& options, const StopRule& rule) {
  StepReport report;
  std::vector<std::string> order;
  std::map<std::string, std::vector<double>> samples;
  {
    Trainee trainee(backend, options);
    for (int i = 0; i < kWarmUp; ++i) trainee.step();
    Sampling whole(rule);
    const auto start = std::chrono::steady_clock::now();
    Verdict verdict = Verdict::go_on;
    while (verdict == Verdict::go_on) {
      double sum = 0;
      for (const auto& [name, seconds] : trainee.step()) {
        if (samples[name].empty()) order.push_back(name);
        samples[name].push_back(seconds);
        sum += seconds;
      }
      verdict = whole.add(sum, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    for (const std::string& name : order) report.phases.push_back({name, summarise(samples[name])});
    report.phases.push_back({"step", summarise(whole.samples())});
    report.settled = verdict == Verdict::settled;
  }
  report.stats = backend->stats();
  report.kinds = profile(backend, options);
  return report;
}

Pace quick_pace(const std::shared_ptr<Backend>& backend, const NetOptions& options) {
  Trainee trainee(backend, options);
  const auto best = [](const auto& seconds) {
    seconds();
    const double second = seconds();
    return std::min(second, seconds());
  };
  Pace pace;
  pace.evaluate = best([&] { return trainee.evaluate(); });
  pace.step = best([&] {
    const auto phases = trainee.step();
    return std::accumulate(phases.begin(), phases.end(), 0.0,
                           [](double sum, const auto& phase) { return sum + phase.second; });
  });
  return pace;
}

}  // namespace thaw::microscope
