// Milliseconds of a training step, on random pixels and random weights, so that nothing but the machine decides.
//   thaw_bench_step MODEL SELECTOR DTYPE [BATCH [SIZE [STEPS]]] [--json] [--profile | --profile=problems]
//                   [--ceilings=GFLOPS,GBS] [--device=cpu|cuda] [--tf32] [--autotune]
// prints one line: median and quartiles over the steps, images/s, what the arena holds, peak memory. The frozen prefix
// is recomputed in every step; give its cut a cached input with SELECTOR's prefix left out by `cached:` in front, or
// time nothing but that prefix with `prefix:` in front. SELECTOR `infer` times inference. --profile adds a table of
// what each kind of call took, and its rate, mean of all steps; with the machine's ceilings (thaw_bench_ceilings:
// matrix product and triad) also which share of them that is: the longer of arithmetic and memory at their ceilings,
// over the time taken. On a device that can record (cuda), a step is recorded once and replayed, as the trainer does
// it.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "framework/dropout_masks.h"
#include "framework/training_step.h"
#include "kernels/error.h"
#include "kernels/pointwise.h"
#include "microscope/timed_backend.h"
#include "models/selector.h"
#include "models/zoo.h"

namespace {

using namespace thaw;

struct Setting {
  std::string model, selector, device = "cpu";
  BackendOptions options = {};
  Dtype dtype = Dtype::f32;
  int batch = 32, size = 224, steps = 7;
  bool cached = false, prefix = false, infer = false, profile = false, by_problem = false, json = false;
  double ceiling_gflops = 0, ceiling_gbs = 0;  ///< 0: not given
};

/// Takes `name` off the front of `text`, where it is there.
bool take_front(std::string& text, std::string_view name) {
  if (!text.starts_with(name)) return false;
  text.erase(0, name.size());
  return true;
}

Setting parse(std::vector<std::string> words) {
  Setting s;
  std::erase_if(words, [&s](std::string word) {
    if (!word.starts_with("--")) return false;
    if (word == "--json") {
      s.json = true;
    } else if (word == "--profile" || word == "--profile=problems") {
      s.profile = true;
      s.by_problem = word != "--profile";
    } else if (word == "--tf32") {
      s.options.tf32 = true;
    } else if (word == "--autotune") {
      s.options.autotune = true;
    } else if (take_front(word, "--device=")) {
      s.device = word;
    } else if (!take_front(word, "--ceilings=") ||
               std::sscanf(word.c_str(), "%lf,%lf", &s.ceiling_gflops, &s.ceiling_gbs) != 2) {
      fail(ErrorKind::usage, "'{}' is no option; the head of bench/step.cpp lists them", word);
    }
    return true;
  });
  if (words.size() < 3)
    fail(ErrorKind::usage, "usage: {}",
         "thaw_bench_step MODEL [cached:|prefix:]SELECTOR f32|bf16 [BATCH [SIZE [STEPS]]]");
  s.model = words[0];
  s.selector = words[1];
  s.dtype = words[2] == "bf16" ? Dtype::bf16 : Dtype::f32;
  s.infer = s.selector == "infer";
  if (s.infer) s.selector = "none";
  s.cached = take_front(s.selector, "cached:");
  s.prefix = take_front(s.selector, "prefix:");
  if (words.size() > 3) s.batch = std::stoi(words[3]);
  if (words.size() > 4) s.size = std::stoi(words[4]);
  if (words.size() > 5) s.steps = std::stoi(words[5]);
  return s;
}

/// The setting's workload as its command line names it.
std::string workload(const Setting& s) {
  if (s.infer) return "infer";
  return (s.cached ? "cached:" : s.prefix ? "prefix:" : "") + s.selector;
}

double milliseconds(const std::chrono::steady_clock::time_point& since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
}

std::vector<std::pair<std::string, microscope::Work>> profile_rows(const microscope::TimedBackend& timed,
                                                                   const Setting& s) {
  std::vector<std::pair<std::string, microscope::Work>> rows;
  for (const auto& row : s.by_problem ? timed.problems : timed.kinds) rows.push_back(row);
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.second.milliseconds > b.second.milliseconds; });
  return rows;
}

/// The share of the machine's ceilings, 0 where they were not given.
double share_of_ceiling(const microscope::Work& work, const Setting& s) {
  if (s.ceiling_gflops <= 0 || s.ceiling_gbs <= 0 || work.milliseconds <= 0) return 0;
  const double least = std::max(work.flops / s.ceiling_gflops, work.bytes / s.ceiling_gbs) / 1e6;
  return least / work.milliseconds;
}

void print_profile(const microscope::TimedBackend& timed, const Setting& s) {
  for (const auto& [name, work] : profile_rows(timed, s)) {
    const double seconds = work.milliseconds / 1000;
    std::printf("%9.2f ms %5lld calls %8.1f GFLOP/s %7.1f GB/s  ", work.milliseconds / s.steps,
                static_cast<long long>(work.calls / s.steps), work.flops / seconds / 1e9, work.bytes / seconds / 1e9);
    if (s.ceiling_gflops > 0) std::printf("%5.0f %%  ", 100 * share_of_ceiling(work, s));
    std::printf("%s\n", name.c_str());
  }
}

nlohmann::json profile_json(const microscope::TimedBackend& timed, const Setting& s) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [name, work] : profile_rows(timed, s)) {
    rows.push_back({{"kind", name},
                    {"ms", work.milliseconds / s.steps},
                    {"calls", work.calls / s.steps},
                    {"gflops", work.flops / work.milliseconds / 1e6},
                    {"gbs", work.bytes / work.milliseconds / 1e6},
                    {"share", share_of_ceiling(work, s)}});
  }
  return rows;
}

long peak_rss_mib() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss >> 10;
}

void report(const Setting& s, std::vector<double> times, const Backend& backend,
            const microscope::TimedBackend* timed) {
  std::sort(times.begin(), times.end());
  const auto at = [&times](double q) {
    return times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1) + 0.5)];
  };
  const std::string dtype(name_of(s.dtype));
  if (s.json) {
    nlohmann::json line = {{"peer", "thaw " + s.device + (s.options.tf32 ? " tf32" : "")},
                           {"model", s.model},
                           {"workload", workload(s)},
                           {"dtype", dtype},
                           {"ms", at(0.5)},
                           {"min_ms", at(0)},
                           {"max_ms", at(1)},
                           {"batch", s.batch},
                           {"size", s.size},
                           {"steps", s.steps},
                           {"rss_mib", peak_rss_mib()},
                           {"arena_mib", backend.stats().peak_bytes >> 20}};
    if (timed != nullptr) line["profile"] = profile_json(*timed, s);
    std::printf("%s\n", line.dump().c_str());
    return;
  }
  std::printf(
      "%s %s %s batch %d size %d: median %.1f ms (quartiles %.1f, %.1f), %.1f images/s, arena %zu MiB, peak RSS %ld "
      "MiB\n",
      s.model.c_str(), workload(s).c_str(), dtype.c_str(), s.batch, s.size, at(0.5), at(0.25), at(0.75),
      1000.0 * s.batch / at(0.5), backend.stats().peak_bytes >> 20, peak_rss_mib());
  if (timed != nullptr) print_profile(*timed, s);
}

/// One workload on one device, as often as it is asked for.
class Workload {
 public:
  Workload(const Setting& s, const std::shared_ptr<Backend>& backend)
      : s_(s), backend_(backend), sums_(make_loss_sums(backend)) {
    net_ = build_model(s.model, backend, {.size = s.size, .head = {.classes = 5, .dropout = 0.2}});
    apply_selection(*net_, select_layers(*net_, s.selector), NormMode::train);
    std::vector<float> pixels(static_cast<std::size_t>(s.batch) * static_cast<std::size_t>(s.size * s.size) * 3);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = 255.0F * pointwise::uniform(1, i);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(s.batch));
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 5);
    ctx_.backend = backend;
    ctx_.dtype = s.dtype;
    if (backend->can_record()) ctx_.masks = &masks_;
    input_ = Tensor::from_host(backend, {s.batch, s.size, s.size, 3}, Dtype::f32, std::span<const float>(pixels));
    labels_ = Tensor::from_labels(backend, labels);
    trainable_ = net_->parameters.trainable();
    if (s.cached) prefix_ = net_->forward(ctx_, net_->input(ctx_, input_), 0, net_->cut());
  }

  /// The work of one step; the caller waits for it.
  void step() {
    if (s_.infer || s_.prefix) {
      static_cast<void>(
          net_->forward(ctx_, net_->input(ctx_, input_), 0, s_.infer ? net_->stages.size() : net_->cut()));
      return;
    }
    const Var x = s_.cached ? prefix_ : net_->forward(ctx_, net_->input(ctx_, input_), 0, net_->cut());
    take_step(
        *net_, ctx_,
        {.x = x, .labels = labels_, .sums = sums_, .cut = net_->cut(), .trainable = trainable_, .learning_rate = rate_},
        *adam_);
  }

  /// From now on `step` is a replay of itself.
  void record() {
    recording_ = backend_->record([this] { step(); });
  }
  void run() {
    if (recording_ == nullptr) return step();
    masks_.draw(ctx_);
    adam_->repeat(*backend_, rate_);
    backend_->replay(*recording_);
  }

 private:
  static constexpr double rate_ = 1e-5;
  const Setting& s_;
  std::shared_ptr<Backend> backend_;
  Tensor sums_;
  std::unique_ptr<Network> net_;
  DropoutMasks masks_;
  Context ctx_;
  Tensor input_, labels_;
  Var prefix_;
  std::unique_ptr<Optimizer> adam_ = make_adam();
  std::vector<Parameter*> trainable_;
  std::unique_ptr<Recording> recording_;
};

void run(const Setting& s) {
  std::shared_ptr<Backend> backend = make_backend(s.device, s.options);
  std::shared_ptr<microscope::TimedBackend> timed;
  if (s.profile) backend = timed = std::make_shared<microscope::TimedBackend>(backend);
  Workload workload(s, backend);
  std::vector<double> times;
  for (int step = -2; step < s.steps; ++step) {
    if (step == 0 && timed) timed->clear();
    if (step == 0 && backend->can_record()) workload.record();
    const auto start = std::chrono::steady_clock::now();
    workload.run();
    backend->synchronize();
    if (step >= 0) times.push_back(milliseconds(start));
  }
  report(s, std::move(times), *backend, timed.get());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(std::vector<std::string>(argv + 1, argv + argc)));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
