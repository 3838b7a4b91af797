#include <algorithm>
#include <cmath>

#include "tests/kernels/op_cases.h"

namespace thaw::tests {

namespace {

using Exactness = OpCase::Exactness;

constexpr Act kActs[] = {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid};

constexpr PoolProblem kPools[] = {
    {.kind = PoolKind::max, .n = 2, .c = 64, .h = 12, .w = 12, .r = 3, .s = 3, .stride = 2, .pad = pad_all(1)},
    {.kind = PoolKind::max, .n = 1, .c = 5, .h = 11, .w = 8, .r = 3, .s = 3, .stride = 2},
    {.kind = PoolKind::max, .n = 3, .c = 24, .h = 7, .w = 7, .r = 3, .s = 3, .stride = 2, .pad = {0, 1, 0, 1}},
    {.kind = PoolKind::max, .n = 2, .c = 17, .h = 6, .w = 9, .r = 2, .s = 2, .stride = 2},
    {.kind = PoolKind::max, .n = 1, .c = 3, .h = 5, .w = 5, .r = 3, .s = 3, .stride = 1, .pad = pad_all(1)},
    {.kind = PoolKind::average, .n = 2, .c = 16, .h = 8, .w = 8, .r = 2, .s = 2, .stride = 2},
    {.kind = PoolKind::average, .n = 2, .c = 7, .h = 9, .w = 6, .r = 3, .s = 3, .stride = 2, .pad = pad_all(1)},
    {.kind = PoolKind::average,
     .n = 1,
     .c = 24,
     .h = 7,
     .w = 7,
     .r = 3,
     .s = 3,
     .stride = 2,
     .pad = {0, 1, 0, 1},
     .count_padding = true},
    {.kind = PoolKind::average, .n = 3, .c = 72, .h = 7, .w = 7, .r = 7, .s = 7, .stride = 1},
    {.kind = PoolKind::average, .n = 5, .c = 3, .h = 14, .w = 13, .r = 14, .s = 13, .stride = 1},
    {.kind = PoolKind::average, .n = 2, .c = 33, .h = 1, .w = 1, .r = 1, .s = 1, .stride = 1},
};

constexpr DenseProblem kDense[] = {
    {.n = 5, .c = 576, .k = 5, .bias = true},    {.n = 1, .c = 960, .k = 128, .bias = true, .act = Act::hard_swish},
    {.n = 32, .c = 100, .k = 17, .bias = false}, {.n = 3, .c = 72, .k = 24, .bias = true, .act = Act::relu},
    {.n = 2, .c = 1, .k = 1, .bias = true},      {.n = 7, .c = 33, .k = 1000, .bias = false, .act = Act::hard_sigmoid},
};

// The networks' kinds, blocks of the fused kernels that are full and not, and the least.
constexpr SqueezeExciteProblem kSqueezeExcites[] = {
    {.n = 3, .c = 72, .h = 5, .w = 7, .k = 24},    {.n = 2, .c = 960, .h = 7, .w = 7, .k = 240},
    {.n = 9, .c = 40, .h = 4, .w = 3, .k = 10},    {.n = 11, .c = 67, .h = 3, .w = 2, .k = 17},
    {.n = 1, .c = 130, .h = 14, .w = 13, .k = 33}, {.n = 1, .c = 1, .h = 1, .w = 1, .k = 1},
};

void add_norms(Dtype dtype, std::vector<OpCase>& cases) {
  const auto add = [&](const NormProblem& problem) {
    cases.push_back({"norm", problem.text(), Exactness::never, [problem](OpRun& run) { run_norm(run, problem); }});
  };
  for (const bool training : {false, true}) {
    for (const bool residual : {false, true}) {
      for (const Act act : kActs) {
        add({.rows = 98, .c = 24, .training = training, .residual = residual, .act = act, .dtype = dtype});
      }
    }
    for (const int c : {1, 3, 16, 72})
      add({.rows = 50, .c = c, .training = training, .act = Act::relu, .dtype = dtype});
    add({.rows = 1, .c = 16, .training = training, .dtype = dtype});
    add({.rows = 3001, .c = 64, .training = training, .epsilon = 1.001e-5, .dtype = dtype});
  }
}

}  // namespace

void run_norm(OpRun& run, NormProblem problem) {
  problem.dtype = run.dtype();
  NormForward forward;
  forward.x = run.input(Role::activation, "x", problem.size(), {-2, 3});
  forward.gamma = run.input(Role::master, "gamma", problem.c, {0.5, 1.5});
  forward.beta = run.input(Role::master, "beta", problem.c);
  if (problem.residual) forward.residual = run.input(Role::activation, "residual", problem.size());
  if (problem.training) {
    forward.mean = run.output(Role::master, "mean", problem.c);
    forward.variance = run.output(Role::master, "variance", problem.c);
    forward.running_mean = run.inout(Role::master, "running mean", problem.c);
    forward.running_variance = run.inout(Role::master, "running variance", problem.c, {0.5, 2});
  } else {
    forward.mean = run.inout(Role::master, "mean", problem.c);
    forward.variance = run.inout(Role::master, "variance", problem.c, {0.5, 2});
  }
  forward.y = run.output(Role::activation, "y", problem.size());
  run.backend().norm_forward(problem, forward);
  if (!problem.has_gradient()) return;

  NormBackward backward;
  backward.x = forward.x;
  backward.y = forward.y;
  backward.dy = run.input(Role::activation, "dy", problem.size());
  backward.gamma = forward.gamma;
  backward.beta = forward.beta;
  backward.mean = forward.mean;
  backward.variance = forward.variance;
  backward.dx = run.output(Role::activation, "dx", problem.size());
  backward.dgamma = run.output(Role::master, "dgamma", problem.c);
  backward.dbeta = run.output(Role::master, "dbeta", problem.c);
  if (problem.residual) backward.dresidual = run.output(Role::activation, "dresidual", problem.size());
  run.backend().norm_backward(problem, backward);
  if (problem.training) return;
  // Of a frozen norm only dx is wanted, and the input may be gone.
  if (problem.act == Act::linear || problem.gradient_from_y()) backward.x = nullptr;
  backward.dx = run.output(Role::activation, "only dx", problem.size());
  backward.dgamma = backward.dbeta = backward.dresidual = nullptr;
  run.backend().norm_backward(problem, backward);
}

void run_pool(OpRun& run, PoolProblem problem) {
  problem.dtype = run.dtype();
  const void* x = run.input(Role::activation, "x", problem.input_size());
  void* y = run.output(Role::activation, "y", problem.output_size());
  void* indices =
      problem.kind == PoolKind::max ? run.typed_output("indices", Dtype::i32, problem.output_size()) : nullptr;
  run.backend().pool_forward(problem, x, y, static_cast<std::int32_t*>(indices));
  const void* dy = run.input(Role::activation, "dy", problem.output_size());
  run.backend().pool_backward(problem, dy, static_cast<const std::int32_t*>(indices),
                              run.output(Role::activation, "dx", problem.input_size()));
}

void run_dense(OpRun& run, DenseProblem problem) {
  problem.dtype = run.dtype();
  const std::int64_t inputs = std::int64_t{problem.n} * problem.c;
  const std::int64_t outputs = std::int64_t{problem.n} * problem.k;
  const std::int64_t weights = std::int64_t{problem.k} * problem.c;
  const double limit = 1.7 / std::sqrt(problem.c);
  const void* x = run.input(Role::activation, "x", inputs);
  const void* w = run.input(Role::weight, "w", weights, {-limit, limit});
  const void* bias = problem.bias ? run.input(Role::master, "bias", problem.k) : nullptr;
  run.backend().dense_forward(problem, x, w, bias, run.output(Role::activation, "y", outputs));
  const void* dy = run.input(Role::activation, "dy", outputs);
  run.backend().dense_backward_data(problem, w, dy, run.output(Role::activation, "dx", inputs));
  run.backend().dense_backward_weights(problem, x, dy, run.output(Role::master, "dw", weights),
                                       problem.bias ? run.output(Role::master, "dbias", problem.k) : nullptr);
}

/// Everything wanted, and nothing but y.
void run_squeeze_excite(OpRun& run, SqueezeExciteProblem problem) {
  problem.dtype = run.dtype();
  const std::int64_t weights = std::int64_t{problem.c} * problem.k;
  const std::int64_t many = std::int64_t{problem.n} * problem.c;
  const std::int64_t few = std::int64_t{problem.n} * problem.k;
  const double reduce_limit = 1.7 / std::sqrt(problem.c);
  const double expand_limit = 1.7 / std::sqrt(problem.k);
  SqueezeExciteForward args;
  // Whole pixels of -1 to 1: the product with a gate is not rounded once more behind the gate's own rounding.
  std::vector<double> pixels = run.draw("x", problem.size(), {-1.5, 1.5}, run.tested());
  for (double& pixel : pixels) pixel = std::clamp(std::round(pixel), -1.0, 1.0);
  args.x = run.given("x", run.dtype(), pixels);
  args.reduce = run.input(Role::weight, "reduce", weights, {-reduce_limit, reduce_limit});
  args.reduce_bias = run.input(Role::master, "reduce bias", problem.k);
  args.expand = run.input(Role::weight, "expand", weights, {-expand_limit, expand_limit});
  args.expand_bias = run.input(Role::master, "expand bias", problem.c, {-4, 4});  // gates of 0 and of 1 among others
  args.y = run.output(Role::activation, "only y", problem.size());
  run.backend().squeeze_excite_forward(problem, args);
  args.pooled = run.output(Role::activation, "pooled", many);
  args.reduced = run.output(Role::activation, "reduced", few);
  args.squeezed = run.output(Role::activation, "squeezed", few);
  args.expanded = run.output(Role::activation, "expanded", many);
  args.gate = run.output(Role::activation, "gate", many);
  args.y = run.output(Role::activation, "y", problem.size());
  run.backend().squeeze_excite_forward(problem, args);
}

void add_layer_cases(Dtype dtype, std::vector<OpCase>& cases) {
  add_norms(dtype, cases);
  for (PoolProblem problem : kPools) {
    problem.dtype = dtype;
    cases.push_back({"pool", problem.text(), problem.kind == PoolKind::max ? Exactness::integers : Exactness::never,
                     [problem](OpRun& run) { run_pool(run, problem); }});
  }
  for (SqueezeExciteProblem problem : kSqueezeExcites) {
    problem.dtype = dtype;
    cases.push_back({"squeeze_excite", problem.text(), Exactness::never,
                     [problem](OpRun& run) { run_squeeze_excite(run, problem); }});
  }
  for (DenseProblem problem : kDense) {
    problem.dtype = dtype;
    const bool linear = problem.act == Act::linear || problem.act == Act::relu;
    cases.push_back({"dense", problem.text(), linear ? Exactness::integers : Exactness::never,
                     [problem](OpRun& run) { run_dense(run, problem); }});
  }
}

}  // namespace thaw::tests
