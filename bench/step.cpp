// Milliseconds of a training step, on random pixels and random weights, so that nothing but the machine decides.
//   thaw_bench_step MODEL SELECTOR DTYPE [BATCH [SIZE [STEPS]]] [--profile | --profile=problems]
// prints one line: median and quartiles over the steps, images/s, and what the arena holds. The frozen prefix is
// recomputed in every step; give its cut a cached input with SELECTOR's prefix left out by `cached:` in front. SELECTOR
// `infer` times inference. --profile adds a table of what each kind of call took, and its rate, mean of all steps.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/timed_backend.h"
#include "framework/optimizer.h"
#include "kernels/error.h"
#include "kernels/pointwise.h"
#include "models/selector.h"
#include "models/zoo.h"

namespace {

using namespace thaw;

struct Setting {
  std::string model, selector;
  Dtype dtype = Dtype::f32;
  int batch = 32, size = 224, steps = 7;
  bool cached = false, infer = false, profile = false, by_problem = false;
};

Setting parse(std::vector<std::string> words) {
  bool profile = false;
  bool by_problem = false;
  std::erase_if(words, [&](const std::string& word) {
    if (word == "--profile=problems") by_problem = true;
    if (word == "--profile") profile = true;
    return word.starts_with("--profile");
  });
  if (words.size() < 3)
    fail(ErrorKind::usage, "usage: {}", "thaw_bench_step MODEL [cached:]SELECTOR f32|bf16 [BATCH [SIZE [STEPS]]]");
  Setting s{.model = words[0], .selector = words[1], .dtype = words[2] == "bf16" ? Dtype::bf16 : Dtype::f32};
  s.profile = profile || by_problem;
  s.by_problem = by_problem;
  s.infer = s.selector == "infer";
  if (s.infer) s.selector = "none";
  if (s.selector.starts_with("cached:")) {
    s.cached = true;
    s.selector.erase(0, 7);
  }
  if (words.size() > 3) s.batch = std::stoi(words[3]);
  if (words.size() > 4) s.size = std::stoi(words[4]);
  if (words.size() > 5) s.steps = std::stoi(words[5]);
  return s;
}

double milliseconds(const std::chrono::steady_clock::time_point& since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
}

void print_profile(const bench::TimedBackend& timed, const Setting& s) {
  std::vector<std::pair<std::string, bench::Work>> rows;
  for (const auto& row : s.by_problem ? timed.problems : timed.kinds) rows.push_back(row);
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.second.milliseconds > b.second.milliseconds; });
  for (const auto& [name, work] : rows) {
    const double seconds = work.milliseconds / 1000;
    std::printf("%9.2f ms %5lld calls %8.1f GFLOP/s %7.1f GB/s  %s\n", work.milliseconds / s.steps,
                static_cast<long long>(work.calls / s.steps), work.flops / seconds / 1e9, work.bytes / seconds / 1e9,
                name.c_str());
  }
}

void run(const Setting& s) {
  std::shared_ptr<Backend> backend = make_backend("cpu");
  std::shared_ptr<bench::TimedBackend> timed;
  if (s.profile) backend = timed = std::make_shared<bench::TimedBackend>(backend);
  const auto net = build_model(s.model, backend, {.size = s.size, .head = {.classes = 5, .dropout = 0.2}});
  apply_selection(*net, select_layers(*net, s.selector), NormMode::train);
  std::vector<float> pixels(static_cast<std::size_t>(s.batch) * s.size * s.size * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = 255.0F * pointwise::uniform(1, i);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(s.batch));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 5);

  Context ctx{.backend = backend, .dtype = s.dtype};
  const Tensor input =
      Tensor::from_host(backend, {s.batch, s.size, s.size, 3}, Dtype::f32, std::span<const float>(pixels));
  const Tensor device_labels = Tensor::from_labels(backend, labels);
  const std::size_t cut = net->cut();
  const Var prefix = s.cached ? net->forward(ctx, net->input(ctx, input), 0, cut) : Var();
  const auto adam = make_adam();
  const std::vector<Parameter*> trainable = net->parameters.trainable();
  std::vector<double> times;
  for (int step = -2; step < s.steps; ++step) {
    if (step == 0 && timed) timed->clear();
    const auto start = std::chrono::steady_clock::now();
    if (s.infer) {
      const Var logits = net->forward(ctx, net->input(ctx, input), 0, net->stages.size());
      if (step >= 0) times.push_back(milliseconds(start));
      continue;
    }
    Tape tape;
    Context training = ctx;
    training.training = true;
    training.tape = &tape;
    const Tensor sums = make_loss_sums(backend);
    const Var x = s.cached ? prefix : net->forward(training, net->input(training, input), 0, cut);
    const Var logits = net->forward(training, x, cut, net->stages.size());
    softmax_cross_entropy(training, logits, device_labels, sums);
    tape.backward();
    adam->step(trainable, 1e-5);
    net->parameters.clear_gradients();
    backend->synchronize();
    if (step >= 0) times.push_back(milliseconds(start));
  }
  std::sort(times.begin(), times.end());
  const auto at = [&times](double q) {
    return times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1) + 0.5)];
  };
  std::printf("%s %s%s %s batch %d size %d: median %.1f ms (quartiles %.1f, %.1f), %.1f images/s, arena %zu MiB\n",
              s.model.c_str(), s.cached ? "cached:" : "", s.infer ? "infer" : s.selector.c_str(),
              std::string(name_of(s.dtype)).c_str(), s.batch, s.size, at(0.5), at(0.25), at(0.75),
              1000.0 * s.batch / at(0.5), backend->stats().peak_bytes >> 20);
  if (timed) print_profile(*timed, s);
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
