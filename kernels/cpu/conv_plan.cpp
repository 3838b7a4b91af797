#include "kernels/cpu/conv_plan.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "kernels/cpu/arena.h"
#include "kernels/cpu/conv_cut.h"
#include "kernels/cpu/conv_kernels.h"
#include "kernels/error.h"

namespace thaw {

namespace {

using dnnl::memory;

/// Whether dw = dy^T x is faster as a matrix product than as a convolution, measured at batch 32 on AMX and AVX-512: in
/// bf16 always, except for filters of few whole blocks of 16; in f32 for the wide layers only.
bool prefers_matmul(const ConvProblem& p) {
  if (!is_rows(p)) return false;
  const int narrow = std::min(p.c, p.k);
  const int wide = std::max(p.c, p.k);
  if (p.dtype == Dtype::bf16) return wide > 64 || p.c % 16 != 0 || p.k % 16 != 0;
  return narrow >= 64 && wide >= 256;
}

/// How many parts a forward convolution is cut into. A residual is copied to where the primitive adds to it: the
/// outputs of a part shall still be in the core's cache then, unless that would read the filter too often.
std::size_t pieces_of(const ConvProblem& p, std::size_t shards) {
  constexpr std::int64_t cached = std::int64_t{256} << 10;
  if (!p.residual || !is_rows(p)) return shards;
  const auto element = static_cast<std::int64_t>(size_of(p.dtype));
  const std::int64_t part = std::max(cached, p.filter_size() * element) * static_cast<std::int64_t>(shards);
  return shards * static_cast<std::size_t>((p.output_size() * element + part - 1) / part);
}

/// Puts a plan together, part by part.
class Planner {
 public:
  Planner(const dnnl::engine& engine, Direction direction, const ConvProblem& problem)
      : engine_(engine), direction_(direction), problem_(problem) {
    plan_.matmul = direction == Direction::filter && prefers_matmul(problem);
  }

  void add(const ConvPart& part) {
    const auto known = std::find(problems_.begin(), problems_.end(), part.problem);
    plan_.parts.push_back({part.input, part.output, static_cast<std::size_t>(known - problems_.begin())});
    if (known != problems_.end()) return;
    ConvKernel made = make_kernel(part.problem);
    problems_.push_back(part.problem);
    plan_.form_of.push_back(form_index(plan_.matmul ? master() : made.kernel.operand(filter_argument())));
    plan_.scratchpad_bytes = std::max(plan_.scratchpad_bytes, to_blocks(made.kernel.scratchpad.get_size()));
    plan_.kernels.push_back(std::move(made.kernel));
  }

  ConvPlan finish() {
    for (auto& form : plan_.forms) {
      if (form.desc == master()) continue;
      form.reorder = gives_filter() ? onednn::make_reorder(engine_, form.desc, master())
                                    : onednn::make_reorder(engine_, master(), form.desc);
    }
    return std::move(plan_);
  }

 private:
  [[nodiscard]] bool gives_filter() const { return direction_ == Direction::filter; }
  [[nodiscard]] int filter_argument() const { return gives_filter() ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS; }
  [[nodiscard]] memory::desc master() const {
    return direction_ == Direction::turned ? onednn::transposed_filter(problem_) : onednn::master_filter(problem_);
  }

  /// Parts of other sizes share the first one's filter layout, unless that would cost them the fast implementation.
  /// Partial filter gradients are added up, so they must share it.
  ConvKernel make_kernel(const ConvProblem& part) {
    const SingleThreadScope single;
    const auto type = gives_filter() ? memory::data_type::f32 : onednn::data_type(part.dtype);
    const auto any = onednn::any_filter(part, type);
    if (plan_.forms.empty()) {
      ConvKernel made = make_as(part, any);
      implementation_ = made.implementation;
      return made;
    }
    ConvKernel made = make_as(part, plan_.forms.front().desc);
    const bool keep = gives_filter() || made.implementation == implementation_;
    return keep ? made : make_as(part, any);
  }

  [[nodiscard]] ConvKernel make_as(const ConvProblem& part, const memory::desc& filter) const {
    if (plan_.matmul) return make_filter_matmul(engine_, part, filter);
    if (gives_filter()) return make_filter(engine_, part, filter);
    return direction_ == Direction::data ? make_data(engine_, part, filter) : make_forward(engine_, part, filter);
  }

  std::size_t form_index(const memory::desc& desc) {
    const auto form =
        std::find_if(plan_.forms.begin(), plan_.forms.end(), [&desc](const auto& f) { return f.desc == desc; });
    const auto index = static_cast<std::size_t>(form - plan_.forms.begin());
    if (form == plan_.forms.end()) plan_.forms.push_back({desc, {}});
    return index;
  }

  const dnnl::engine& engine_;
  Direction direction_;
  const ConvProblem& problem_;
  std::vector<ConvProblem> problems_;  // of each kernel
  std::string implementation_;         // of the first kernel
  ConvPlan plan_;
};

}  // namespace

bool fuses(Act act) { return act == Act::linear || act == Act::relu || act == Act::hard_swish; }

std::int64_t ConvPlan::primitives() const {
  const auto reorders = std::count_if(forms.begin(), forms.end(), [](const Form& form) { return !form.is_master(); });
  return static_cast<std::int64_t>(kernels.size()) + reorders;
}

ConvPlan ConvPlans::make(Direction direction, const ConvProblem& problem) const {
  const bool forward = direction == Direction::forward || direction == Direction::turned;
  Planner planner(engine_, direction, problem);
  const std::size_t shards = threads_.shards();
  for (const ConvPart& part : forward ? cut_lines(problem, pieces_of(problem, shards)) : cut_batch(problem, shards)) {
    planner.add(part);
  }
  return planner.finish();
}

const ConvPlan& ConvPlans::find(Direction direction, const ConvProblem& problem) {
  static constexpr std::array<std::string_view, 4> kNames = {"forward ", "turned ", "data ", "filter "};
  const std::string key = std::string(kNames.at(static_cast<std::size_t>(direction))) + problem.text();
  const std::lock_guard lock(lock_);
  auto& plan = plans_[key];
  if (!plan) {
    try {
      plan = std::make_unique<const ConvPlan>(make(direction, problem));
    } catch (const dnnl::error& error) {
      fail(ErrorKind::device, "[conv] oneDNN has no primitive for '{}' ({}); choose another --device or --dtype", key,
           error.what());
    }
    made_ += plan->primitives();
  }
  return *plan;
}

std::int64_t ConvPlans::primitives_made() const {
  const std::lock_guard lock(lock_);
  return made_;
}

}  // namespace thaw
