#pragma once

#include <memory>

#include "kernels/conv_ways.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/conv_engine.h"
#include "kernels/cpu/product_engine.h"

namespace thaw {

class CpuBackend;

/// The processor's own loops and products, where it has them for a task, and oneDNN. A depthwise filter is brought into
/// oneDNN's order when it is bound; other preparations belong to a call unless its filter is packed.
class CpuConvWays : public ConvWays {
 public:
  /// All have to outlive this.
  CpuConvWays(CpuBackend& backend, std::shared_ptr<Arena> arena, ConvEngine& convs, const ProductEngine& products)
      : backend_(backend), arena_(std::move(arena)), convs_(convs), products_(products) {}

  std::vector<ConvWay> ways(const ConvTask& task) override;
  BoundCall bind(const ConvTask& task, const ConvWay& way, const ConvOperands& operands) override;
  Dtype result_of(const ConvTask& task) override { return stored_result(task); }

 private:
  /// The backend's own call, which takes own kernels where there are any.
  [[nodiscard]] BoundCall bind_call(const ConvTask& task, const ConvOperands& operands);
  [[nodiscard]] BoundCall bind_onednn(const ConvTask& task, const ConvOperands& operands);
  [[nodiscard]] BoundCall onednn_forward(const ConvProblem& problem, const ConvOperands& operands);
  [[nodiscard]] BoundCall onednn_packed(const ConvProblem& problem, const ConvOperands& operands);
  [[nodiscard]] BoundCall onednn_data(const ConvProblem& problem, const ConvOperands& operands);
  [[nodiscard]] BoundCall onednn_filter(const ConvProblem& problem, const ConvOperands& operands);

  CpuBackend& backend_;
  std::shared_ptr<Arena> arena_;
  ConvEngine& convs_;
  const ProductEngine& products_;
};

}  // namespace thaw
