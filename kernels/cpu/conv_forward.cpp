#include <cstring>

#include "kernels/cpu/conv_engine.h"

namespace thaw {

namespace {

/// The part of a problem that the primitives compute.
ConvProblem fused_part(ConvProblem problem) {
  if (!fuses(problem.act)) problem.act = Act::linear;
  return problem;
}

}  // namespace

ConvEngine::Filters ConvEngine::prepare(const ConvPlan& plan, const void* master, Scratch& memory) const {
  std::size_t bytes = 0;
  for (const auto& form : plan.forms) bytes += form.is_master() ? 0 : to_blocks(form.desc.get_size());
  memory = Scratch(arena_, bytes);
  Filters filters;
  std::byte* next = memory.data();
  for (const auto& form : plan.forms) {
    if (form.is_master()) {
      filters.push_back(master);
      continue;
    }
    const Scratch scratchpad(arena_, form.reorder.scratchpad.get_size());
    onednn::execute(form.reorder, engine_, {{DNNL_ARG_FROM, master}, {DNNL_ARG_TO, next}}, scratchpad.data());
    filters.push_back(next);
    next += to_blocks(form.desc.get_size());
  }
  return filters;
}

void ConvEngine::run_forward(const ConvProblem& problem, const ConvPlan& plan, const Filters& filters,
                             const ConvForward& args) {
  const Scratch scratchpads(arena_, plan.scratchpad_bytes * plan.parts.size());
  const std::size_t element = size_of(problem.dtype);
  const auto* x = static_cast<const std::byte*>(args.x);
  const auto* residual = static_cast<const std::byte*>(args.residual);
  auto* y = static_cast<std::byte*>(args.y);
  threads_.for_each(plan.parts.size(), [&](std::size_t i) {
    const ConvPlan::Part& part = plan.parts[i];
    const onednn::Kernel& kernel = plan.kernels[part.kernel];
    const std::size_t output = static_cast<std::size_t>(part.output) * element;
    if (problem.residual) std::memcpy(y + output, residual + output, kernel.operand(DNNL_ARG_DST).get_size());
    onednn::execute(kernel, engine_,
                    {{DNNL_ARG_SRC, x + static_cast<std::size_t>(part.input) * element},
                     {DNNL_ARG_WEIGHTS, filters[plan.form_of[part.kernel]]},
                     {DNNL_ARG_BIAS, problem.bias ? args.bias : nullptr},
                     {DNNL_ARG_DST, y + output}},
                    scratchpads.data() + i * plan.scratchpad_bytes);
  });
  if (!fuses(problem.act)) simd_.act_forward(problem.act, problem.dtype, problem.output_size(), args.y, args.y);
}

void ConvEngine::forward(const ConvProblem& problem, const ConvForward& args) {
  const ConvPlan& plan = plans_.find(Direction::forward, fused_part(problem));
  Scratch memory;
  run_forward(problem, plan, prepare(plan, args.w, memory), args);
}

void ConvEngine::pack(const ConvProblem& problem, const void* w, CpuPackedConv& packed) {
  const ConvPlan& plan = plans_.find(Direction::forward, fused_part(problem));
  for (const auto& form : plan.forms) {
    const std::size_t bytes = form.desc.get_size();
    Scratch data(arena_, bytes);
    if (form.is_master()) {
      std::memcpy(data.data(), w, bytes);
    } else {
      const Scratch scratchpad(arena_, form.reorder.scratchpad.get_size());
      onednn::execute(form.reorder, engine_, {{DNNL_ARG_FROM, w}, {DNNL_ARG_TO, data.data()}}, scratchpad.data());
    }
    packed.forms.push_back({form.desc, std::move(data)});
  }
}

const void* ConvEngine::packed_form(const ConvPlan::Form& form, const CpuPackedConv& packed) const {
  const std::lock_guard guard(packed.lock);
  for (const auto& have : packed.forms) {
    if (have.desc == form.desc) return have.data.data();
  }
  const auto& first = packed.forms.front();
  const onednn::Kernel reorder = onednn::make_reorder(engine_, first.desc, form.desc);
  const Scratch scratchpad(arena_, reorder.scratchpad.get_size());
  Scratch data(arena_, form.desc.get_size());
  onednn::execute(reorder, engine_, {{DNNL_ARG_FROM, first.data.data()}, {DNNL_ARG_TO, data.data()}},
                  scratchpad.data());
  packed.forms.push_back({form.desc, std::move(data)});
  return packed.forms.back().data.data();
}

void ConvEngine::forward_packed(const ConvProblem& problem, const CpuPackedConv& packed, const ConvForward& args) {
  const ConvPlan& plan = plans_.find(Direction::forward, fused_part(problem));
  Filters filters;
  for (const auto& form : plan.forms) filters.push_back(packed_form(form, packed));
  ConvForward with_bias = args;
  with_bias.bias = packed.bias.data();
  run_forward(problem, plan, filters, with_bias);
}

}  // namespace thaw
