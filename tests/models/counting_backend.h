#pragma once

#include <map>
#include <string>

#include "kernels/reference/reference_backend.h"

namespace thaw::test {

/// Counts of named things.
using Counts = std::map<std::string, std::int64_t>;

/// The reference backend's memory with calls that are counted instead of computed: how often a network calls what does
/// not depend on values, and a step of a whole network takes no time.
class CountingBackend : public ReferenceBackend {
 public:
  Counts calls;

  void conv_forward(const ConvProblem&, const ConvForward&) override { ++calls["conv_forward"]; }
  void conv_backward_data(const ConvProblem&, const void*, const void*, void*) override {
    ++calls["conv_backward_data"];
  }
  void conv_backward_filter(const ConvProblem&, const void*, const void*, void*, void*) override {
    ++calls["conv_backward_filter"];
  }
  std::shared_ptr<const PackedConv> pack_conv(const ConvProblem&, const void*, const void*) override {
    ++calls["pack_conv"];
    return std::make_shared<PackedConv>();
  }
  void conv_forward_packed(const ConvProblem&, const PackedConv&, const ConvForward&) override {
    ++calls["conv_forward_packed"];
  }
  void norm_forward(const NormProblem& problem, const NormForward&) override {
    ++calls[problem.training ? "norm_forward on batch" : "norm_forward on running"];
  }
  void norm_backward(const NormProblem&, const NormBackward&) override { ++calls["norm_backward"]; }
  void act_forward(Act, Dtype, std::int64_t, const void*, void*) override { ++calls["act_forward"]; }
  void act_backward(Act, Dtype, std::int64_t, const void*, const void*, void*) override { ++calls["act_backward"]; }
  void pool_forward(const PoolProblem&, const void*, void*, std::int32_t*) override { ++calls["pool_forward"]; }
  void pool_backward(const PoolProblem&, const void*, const std::int32_t*, void*) override { ++calls["pool_backward"]; }
  void pad_forward(int, int, int, int, const Pad&, Dtype, const void*, void*) override { ++calls["pad_forward"]; }
  void dense_forward(const DenseProblem&, const void*, const void*, const void*, void*) override {
    ++calls["dense_forward"];
  }
  void dense_backward_data(const DenseProblem&, const void*, const void*, void*) override {
    ++calls["dense_backward_data"];
  }
  void dense_backward_weights(const DenseProblem&, const void*, const void*, void*, void*) override {
    ++calls["dense_backward_weights"];
  }
  void add(Dtype, std::int64_t, const void*, const void*, void*) override { ++calls["add"]; }
  void scale_forward(const ScaleProblem&, const void*, const void*, void*) override { ++calls["scale_forward"]; }
  void scale_backward(const ScaleProblem&, const void*, const void*, const void*, void*, void*) override {
    ++calls["scale_backward"];
  }
  void cast(Dtype, Dtype, std::int64_t, const void*, void*) override { ++calls["cast"]; }
  void preprocess(const PreprocessProblem&, const void*, void*) override { ++calls["preprocess"]; }
  void dropout(Dtype, std::int64_t, float, std::uint64_t, const void*, void*) override { ++calls["dropout"]; }
  void softmax_cross_entropy(Dtype, int, int, const void*, const std::int32_t*, double, void*, void*,
                             LossSums*) override {
    ++calls["softmax_cross_entropy"];
  }
};

}  // namespace thaw::test
