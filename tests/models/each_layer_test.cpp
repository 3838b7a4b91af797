// Any layer may be the only one that trains, or the first: what lies beside it wants no gradient.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/ops.h"
#include "kernels/error.h"
#include "tests/models/support.h"

namespace thaw {
namespace {

struct Setting {
  const char* model;
  const char* device;
  Dtype dtype;
};

class EachLayer : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    backend = make_backend(GetParam().device, {.threads = 2});
    if (!backend->supports(GetParam().dtype)) GTEST_SKIP() << "this machine has no " << name_of(GetParam().dtype);
    network = build_model(GetParam().model, backend, {.size = 32, .head = {.classes = 5}});
    test::fill_synthetic(*network);
  }

  /// Forward and backward with what the selector opens; every trainable weight gets a finite gradient.
  void step(const std::string& selector) {
    Selection selection;
    try {
      selection = select_layers(*network, selector);
    } catch (const Error&) {
      return;  // a layer without weights, or nothing behind it has any
    }
    apply_selection(*network, selection, NormMode::train);
    Tape tape;
    Context ctx = test::context_of(*network, GetParam().dtype);
    ctx.tape = &tape;
    ctx.training = true;
    const Var logits = network->forward(ctx, test::synthetic_pixels(*network, 2));
    const std::vector<std::int32_t> labels = {1, 2};
    softmax_cross_entropy(ctx, logits, Tensor::from_labels(backend, labels), make_loss_sums(backend));
    tape.backward();
    for (const Parameter* parameter : network->parameters.trainable()) {
      ASSERT_TRUE(parameter->gradient().defined()) << selector << ": " << parameter->name();
      for (const float g : parameter->gradient().to_floats()) {
        ASSERT_TRUE(std::isfinite(g)) << selector << ": " << parameter->name();
      }
    }
    network->parameters.clear_gradients();
  }

  std::shared_ptr<Backend> backend;
  std::unique_ptr<Network> network;
};

TEST_P(EachLayer, MayBeTheOnlyOneThatTrains) {
  for (const LayerInfo& row : network->layers.rows()) {
    if (!row.head && !row.parameters.empty()) step("glob:" + row.name);
    if (HasFatalFailure()) return;
  }
}

TEST_P(EachLayer, MayBeTheFirstThatTrains) {
  // Of the larger ones a sample: what can go wrong lies in the kinds of layers.
  const std::size_t stride = std::string(GetParam().device) == "cpu" && network->id == "mobilenet_v3_small" ? 1 : 5;
  for (std::size_t n = 0; n < network->layers.rows().size(); n += stride) {
    step("layer:" + std::to_string(n));
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, EachLayer,
    testing::Values(Setting{"mobilenet_v3_small", "cpu", Dtype::f32}, Setting{"mobilenet_v3_small", "cpu", Dtype::bf16},
                    Setting{"mobilenet_v3_large", "cpu", Dtype::f32}, Setting{"resnet50", "cpu", Dtype::f32},
                    Setting{"mobilenet_v3_small", "reference", Dtype::f32}),
    [](const auto& each) {
      return std::string(each.param.model) + "_" + each.param.device + "_" + std::string(name_of(each.param.dtype));
    });

}  // namespace
}  // namespace thaw
