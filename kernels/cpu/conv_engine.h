#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/conv_plan.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/threads.h"

namespace thaw {

/// A frozen filter in oneDNN's layouts. Which layout is best depends on the batch size too: another one that is asked
/// for later is made from the first and kept as well, so a packed convolution has the bits of an unpacked one.
class CpuPackedConv : public PackedConv {
 public:
  struct Form {
    dnnl::memory::desc desc;
    Scratch data;
  };

  ConvProblem problem;
  Scratch bias;             ///< (K) f32, where problem.bias
  Scratch filter;           ///< depthwise: (R,S,C) f32; a product of our own: its panels
  mutable std::mutex lock;  ///< for forms
  mutable std::vector<Form> forms;
};

/// Dense convolutions on oneDNN; a 1x1 convolution and a dense layer are the same product over rows. Pointers and
/// layouts are those of `Backend`.
class ConvEngine {
 public:
  ConvEngine(std::shared_ptr<Arena> arena, const Threads& threads, const SimdKernels& simd)
      : arena_(std::move(arena)), threads_(threads), simd_(simd), plans_(engine_, threads_) {}

  void forward(const ConvProblem& problem, const ConvForward& args);
  void forward_packed(const ConvProblem& problem, const CpuPackedConv& packed, const ConvForward& args);
  void pack(const ConvProblem& problem, const void* w, CpuPackedConv& packed);
  void backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx);
  void backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw);
  [[nodiscard]] std::int64_t primitives_made() const { return plans_.primitives_made(); }

 private:
  using Filters = std::vector<const void*>;

  /// The master filter in every layout of the plan; `memory` keeps those that had to be made.
  Filters prepare(const ConvPlan& plan, const void* master, Scratch& memory) const;
  void run_forward(const ConvProblem& problem, const ConvPlan& plan, const Filters& filters, const ConvForward& args);
  void turned_data(const ConvProblem& problem, const void* w, const void* dy, void* dx);
  void strided_data(const ConvProblem& problem, const void* w, const void* dy, void* dx);
  const void* packed_form(const ConvPlan::Form& form, const CpuPackedConv& packed) const;

  std::shared_ptr<Arena> arena_;
  const Threads& threads_;
  const SimdKernels& simd_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  ConvPlans plans_;
};

}  // namespace thaw
