#include <algorithm>
#include <cstring>

#include "kernels/cpu/conv_cut.h"
#include "kernels/cpu/conv_engine.h"
#include "kernels/cpu/strided.h"

namespace thaw {

namespace {

/// The problem without what a gradient ignores.
ConvProblem bare(ConvProblem problem) {
  problem.bias = problem.residual = false;
  problem.act = Act::linear;
  return problem;
}

bool can_turn(const ConvProblem& p) {
  return p.stride == 1 && std::max(p.pad.top, p.pad.bottom) < p.r && std::max(p.pad.left, p.pad.right) < p.s;
}

/// The first of `count` vectors becomes the sum of all, in their order.
void sum_parts(float* parts, std::size_t count, std::int64_t size, std::size_t stride, float* out) {
#pragma omp parallel for simd schedule(static)
  for (std::int64_t i = 0; i < size; ++i) {
    float sum = parts[i];
    for (std::size_t part = 1; part < count; ++part) sum += parts[part * stride + static_cast<std::size_t>(i)];
    out[i] = sum;
  }
}

/// w(K,R,S,C) with rows and columns in reverse order.
void turn_filter(const ConvProblem& p, const float* w, float* out) {
  const int taps = p.r * p.s;
  const auto channels = static_cast<std::size_t>(p.c / p.groups);
#pragma omp parallel for schedule(static)
  for (int k = 0; k < p.k; ++k) {
    const float* from = w + static_cast<std::size_t>(k) * static_cast<std::size_t>(taps) * channels;
    float* to = out + (from - w);
    for (int tap = 0; tap < taps; ++tap) {
      std::memcpy(to + static_cast<std::size_t>(taps - 1 - tap) * channels,
                  from + static_cast<std::size_t>(tap) * channels, channels * sizeof(float));
    }
  }
}

}  // namespace

void ConvEngine::turned_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) {
  const ConvProblem forward = input_gradient(problem);
  const ConvPlan& plan = plans_.find(Direction::turned, forward);
  Scratch memory;
  if (problem.r * problem.s == 1) {
    run_forward(forward, plan, prepare(plan, w, memory), {.x = dy, .y = dx});
    return;
  }
  const Scratch filter(arena_, static_cast<std::size_t>(problem.filter_size()) * sizeof(float));
  auto* const reversed = reinterpret_cast<float*>(filter.data());
  turn_filter(problem, static_cast<const float*>(w), reversed);
  run_forward(forward, plan, prepare(plan, reversed, memory), {.x = dy, .y = dx});
}

void ConvEngine::strided_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) {
  const ConvProblem dense = without_stride(problem);
  const Scratch compact(arena_, static_cast<std::size_t>(dense.input_size()) * size_of(problem.dtype));
  turned_data(dense, w, dy, compact.data());
  scatter_pixels(problem, compact.data(), static_cast<std::byte*>(dx));
}

void ConvEngine::backward_data(const ConvProblem& whole, const void* w, const void* dy, void* dx) {
  const ConvProblem problem = bare(whole);
  if (can_turn(problem)) return turned_data(problem, w, dy, dx);
  if (is_strided_rows(problem)) return strided_data(problem, w, dy, dx);
  const ConvPlan& plan = plans_.find(Direction::data, problem);
  Scratch memory;
  const Filters filters = prepare(plan, w, memory);
  const Scratch scratchpads(arena_, plan.scratchpad_bytes * plan.parts.size());
  const std::size_t element = size_of(problem.dtype);
  threads_.for_each(plan.parts.size(), [&](std::size_t i) {
    const ConvPlan::Part& part = plan.parts[i];
    const std::size_t input = static_cast<std::size_t>(part.input) * element;
    const std::size_t output = static_cast<std::size_t>(part.output) * element;
    onednn::execute(plan.kernels[part.kernel], engine_,
                    {{DNNL_ARG_DIFF_SRC, static_cast<std::byte*>(dx) + input},
                     {DNNL_ARG_WEIGHTS, filters[plan.form_of[part.kernel]]},
                     {DNNL_ARG_DIFF_DST, static_cast<const std::byte*>(dy) + output}},
                    scratchpads.data() + i * plan.scratchpad_bytes);
  });
}

void ConvEngine::backward_filter(const ConvProblem& whole, const void* x, const void* dy, void* dw) {
  ConvProblem problem = bare(whole);
  Scratch compact;
  if (is_strided_rows(problem)) {
    const ConvProblem dense = without_stride(problem);
    compact = Scratch(arena_, static_cast<std::size_t>(dense.input_size()) * size_of(problem.dtype));
    gather_pixels(problem, static_cast<const std::byte*>(x), compact.data());
    x = compact.data();
    problem = dense;
  }
  const ConvPlan& plan = plans_.find(Direction::filter, problem);
  const ConvPlan::Form& form = plan.forms.front();
  const std::size_t bytes = to_blocks(form.desc.get_size());
  const bool direct = form.is_master() && plan.parts.size() == 1;
  const Scratch partial(arena_, direct ? 0 : bytes * plan.parts.size());
  std::byte* const sums = direct ? static_cast<std::byte*>(dw) : partial.data();
  const Scratch scratchpads(arena_, plan.scratchpad_bytes * plan.parts.size());
  const std::size_t element = size_of(problem.dtype);
  threads_.for_each(plan.parts.size(), [&](std::size_t i) {
    const ConvPlan::Part& part = plan.parts[i];
    const auto* input = static_cast<const std::byte*>(x) + static_cast<std::size_t>(part.input) * element;
    const auto* output = static_cast<const std::byte*>(dy) + static_cast<std::size_t>(part.output) * element;
    std::byte* const scratchpad = scratchpads.data() + i * plan.scratchpad_bytes;
    const onednn::Kernel& kernel = plan.kernels[part.kernel];
    if (plan.matmul) {
      onednn::execute(kernel, engine_,
                      {{DNNL_ARG_SRC, output}, {DNNL_ARG_WEIGHTS, input}, {DNNL_ARG_DST, sums + i * bytes}},
                      scratchpad);
    } else {
      onednn::execute(kernel, engine_,
                      {{DNNL_ARG_SRC, input}, {DNNL_ARG_DIFF_DST, output}, {DNNL_ARG_DIFF_WEIGHTS, sums + i * bytes}},
                      scratchpad);
    }
  });
  if (direct) return;
  auto* const parts = reinterpret_cast<float*>(sums);
  const auto size = static_cast<std::int64_t>(form.desc.get_size() / sizeof(float));
  float* const total = form.is_master() ? static_cast<float*>(dw) : parts;
  if (total != parts || plan.parts.size() > 1) {
    sum_parts(parts, plan.parts.size(), size, bytes / sizeof(float), total);
  }
  if (form.is_master()) return;
  const Scratch scratchpad(arena_, form.reorder.scratchpad.get_size());
  onednn::execute(form.reorder, engine_, {{DNNL_ARG_FROM, parts}, {DNNL_ARG_TO, dw}}, scratchpad.data());
}

}  // namespace thaw
