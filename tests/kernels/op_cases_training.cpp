#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>

#include "tests/kernels/op_cases.h"

namespace thaw::tests {

namespace {

using Exactness = OpCase::Exactness;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void run_sum_rows(OpRun& run, std::int64_t rows, int c) {
  const void* x = run.input(Role::activation, "x", rows * c);
  run.backend().sum_rows(run.dtype(), rows, c, x, run.output(Role::master, "sums", c));
}

void run_sum_squares(OpRun& run, std::int64_t count) {
  const void* x = run.input(Role::activation, "x", count);
  run.backend().sum_squares(run.dtype(), count, x, static_cast<double*>(run.typed_output("sum", Dtype::f64, 1)));
  std::vector<double> values = run.draw("x", count, {}, run.tested());
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    values[values.size() / 2] = bad;
    void* sum = run.backend().allocate(sizeof(double));
    run.backend().sum_squares(run.dtype(), count, run.given("bad x", run.dtype(), values), static_cast<double*>(sum));
    double found = 0;
    run.backend().download(&found, sum, sizeof found);
    run.backend().release(sum);
    run.record("finite", Dtype::i32, {std::isfinite(found) ? 1.0 : 0.0});
  }
}

/// Logits by the row of a case; labels run over the classes from the last to the first.
void run_softmax(OpRun& run, int n, int classes, const std::vector<double>& logits) {
  std::vector<double> labels;
  for (int i = 0; i < n; ++i) labels.push_back(i % 2 == 0 ? classes - 1 - (i / 2) % classes : (i / 2) % classes);
  const void* device_labels = run.given("labels", Dtype::i32, labels);
  const std::int64_t count = std::int64_t{n} * classes;
  LossSums sums{.loss = 1.5, .correct = 2, .images = 3, .not_finite = 4};
  Backend& backend = run.backend();
  auto* device_sums = static_cast<LossSums*>(backend.allocate(sizeof sums));
  backend.upload(device_sums, &sums, sizeof sums);
  backend.softmax_cross_entropy(run.master(), n, classes, run.given("logits", run.master(), logits),
                                static_cast<const std::int32_t*>(device_labels), 1.0 / n,
                                run.output(Role::master, "probabilities", count),
                                run.output(Role::master, "dlogits", count), device_sums);
  // Again with nothing but the sums wanted: they add up.
  backend.softmax_cross_entropy(run.master(), n, classes, run.given("logits", run.master(), logits),
                                static_cast<const std::int32_t*>(device_labels), 1.0, nullptr, nullptr, device_sums);
  backend.download(&sums, device_sums, sizeof sums);
  backend.release(device_sums);
  run.record("loss sum", run.master(), {sums.loss});
  run.record(
      "counts", Dtype::i32,
      {static_cast<double>(sums.correct), static_cast<double>(sums.images), static_cast<double>(sums.not_finite)});
}

void add_softmax(Dtype dtype, std::vector<OpCase>& cases) {
  if (dtype == Dtype::bf16) return;  // logits are master-typed: nothing differs from f32
  for (const auto& [n, classes, range] :
       {std::tuple{5, 5, 4.0}, {32, 5, 1.0}, {3, 1000, 10.0}, {2, 1, 1.0}, {7, 17, 1e4}, {6, 5, 3e37}}) {
    cases.push_back({"softmax", fmt::format("softmax_n{}k{}_logits{}:{}", n, classes, range, name_of(dtype)),
                     Exactness::never, [n = n, classes = classes, range = range](OpRun& run) {
                       const Range limits{-range, range};
                       run_softmax(run, n, classes, run.draw("logits", std::int64_t{n} * classes, limits, Dtype::f32));
                     }});
  }
  cases.push_back(
      {"softmax", fmt::format("softmax_n4k3_not_finite:{}", name_of(dtype)), Exactness::never, [](OpRun& run) {
         run_softmax(run, 4, 3, {1, 2, 3, kNan, kNan, kNan, -kInfinity, 0, 1, 0.5, kInfinity, 0.25});
       }});
}

/// Four parameters of odd sizes through three steps.
template <class Step>
void run_optimizer(OpRun& run, int states, Step step) {
  std::vector<UpdateSlot> slots;
  for (const std::int64_t count : {1, 1000, 17, 64}) {
    const auto named = [count](std::string_view name) { return fmt::format("{}{}", name, count); };
    UpdateSlot slot;
    slot.count = count;
    slot.w = run.inout(Role::master, named("w"), count);
    slot.g = run.input(Role::master, named("g"), count);
    if (states > 0) slot.state1 = run.inout(Role::master, named("state1 "), count, {-0.1, 0.1});
    if (states > 1) slot.state2 = run.inout(Role::master, named("state2 "), count, {0, 0.1});
    slots.push_back(slot);
  }
  for (std::int64_t t = 1; t <= 3; ++t) step(slots, t);
}

void add_optimizers(Dtype dtype, std::vector<OpCase>& cases) {
  if (dtype == Dtype::bf16) return;  // parameters are master-typed: nothing differs from f32
  const std::string_view type = name_of(dtype);
  cases.push_back({"optimizer", fmt::format("adam:{}", type), Exactness::never, [](OpRun& run) {
                     run_optimizer(run, 2, [&run](const auto& slots, std::int64_t t) {
                       run.backend().adam(run.master(), slots, {.lr = 1e-2, .step = t});
                     });
                   }});
  for (const SgdStep& options : {SgdStep{0.1, 0.0, false}, {0.1, 0.9, false}, {0.1, 0.9, true}}) {
    cases.push_back({"optimizer",
                     fmt::format("sgd_momentum{}{}:{}", options.momentum, options.nesterov ? "+nesterov" : "", type),
                     Exactness::never, [options](OpRun& run) {
                       run_optimizer(run, 1, [&run, options](const auto& slots, std::int64_t) {
                         run.backend().sgd(run.master(), slots, options);
                       });
                     }});
  }
}

}  // namespace

void add_training_cases(Dtype dtype, std::vector<OpCase>& cases) {
  for (const auto& [rows, c] : {std::pair{1, 5}, {98, 24}, {3001, 17}, {7, 1280}, {5000, 1}}) {
    cases.push_back({"sums", fmt::format("sum_rows{}c{}:{}", rows, c, name_of(dtype)), Exactness::integers,
                     [rows = rows, c = c](OpRun& run) { run_sum_rows(run, rows, c); }});
  }
  for (const std::int64_t count : {1, 17, 1000, 100003}) {
    cases.push_back({"sums", fmt::format("sum_squares_count{}:{}", count, name_of(dtype)), Exactness::integers,
                     [count](OpRun& run) { run_sum_squares(run, count); }});
  }
  add_softmax(dtype, cases);
  add_optimizers(dtype, cases);
}

}  // namespace thaw::tests
