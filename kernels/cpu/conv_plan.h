#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/cpu/onednn.h"
#include "kernels/cpu/threads.h"
#include "kernels/problem.h"

namespace thaw {

/// What a plan computes.
enum class Direction : std::uint8_t {
  forward,  ///< y from x, with bias, residual and activation
  turned,   ///< a forward convolution whose filter is the transposed, turned one of another: its input gradient
  data,     ///< dx from dy
  filter,   ///< dw from x and dy
};

/// How one problem is computed: parts for single threads, the oneDNN primitives that they run (made for one thread, so
/// that their order of additions does not depend on the thread count), and the layouts of the filter.
struct ConvPlan {
  struct Part {
    std::int64_t input = 0;  ///< where its images begin, in elements
    std::int64_t output = 0;
    std::size_t kernel = 0;
  };
  /// A layout of the filter that primitives want. `reorder` leads from the master filter to it, or for
  /// `Direction::filter` back; without a primitive the master filter itself is used.
  struct Form {
    dnnl::memory::desc desc;
    onednn::Kernel reorder;
    [[nodiscard]] bool is_master() const { return !reorder.primitive; }
  };

  std::vector<Part> parts;
  std::vector<onednn::Kernel> kernels;
  std::vector<std::size_t> form_of;  ///< of each kernel
  std::vector<Form> forms;
  std::size_t scratchpad_bytes = 0;  ///< of the neediest kernel, a multiple of 64
  bool matmul = false;               ///< filter: dw = dy^T x as a matrix product

  [[nodiscard]] std::int64_t primitives() const;
};

/// Plans by direction and problem text, each made once. Thread-safe.
class ConvPlans {
 public:
  ConvPlans(const dnnl::engine& engine, const Threads& threads) : engine_(engine), threads_(threads) {}

  const ConvPlan& find(Direction direction, const ConvProblem& problem);
  [[nodiscard]] std::int64_t primitives_made() const;

 private:
  [[nodiscard]] ConvPlan make(Direction direction, const ConvProblem& problem) const;

  const dnnl::engine& engine_;
  const Threads& threads_;
  mutable std::mutex lock_;
  std::unordered_map<std::string, std::unique_ptr<const ConvPlan>> plans_;
  std::int64_t made_ = 0;
};

/// Whether the forward primitives compute the activation too. The others are applied afterwards, because oneDNN's
/// clipping would turn a NaN into a number.
bool fuses(Act act);

}  // namespace thaw
