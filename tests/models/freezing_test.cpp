// A frozen prefix records nothing, keeps nothing, is never differentiated and runs folded and fused: counted.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/models/step_prediction.h"
#include "tests/models/support.h"

namespace thaw {
namespace {

using test::Counts;

constexpr int kBatch = 2;

/// What a training step did.
struct Step {
  Counts forward;
  Counts backward;
  Counts closures;
  std::size_t saved_bytes = 0;
};

struct Counted {
  std::shared_ptr<test::CountingBackend> backend = std::make_shared<test::CountingBackend>();
  std::unique_ptr<Network> network;

  explicit Counted(const std::string& model, double dropout = 0.0)
      : network(build_model(model, backend, {.size = 32, .head = {.classes = 5, .dropout = dropout}})) {}

  Step step() {
    Tape tape;
    Context ctx = test::context_of(*network, Dtype::f32);
    ctx.tape = &tape;
    ctx.training = true;
    backend->calls.clear();
    const Var logits = network->forward(ctx, test::synthetic_pixels(*network, kBatch));
    const std::vector<std::int32_t> labels(kBatch, 1);
    softmax_cross_entropy(ctx, logits, Tensor::from_labels(backend, labels), make_loss_sums(backend));
    Step out{.forward = std::move(backend->calls), .backward = {}, .closures = {}, .saved_bytes = tape.saved_bytes()};
    for (const std::string& op : tape.ops()) ++out.closures[op];
    backend->calls.clear();
    tape.backward();
    out.backward = std::move(backend->calls);
    network->parameters.clear_gradients();
    return out;
  }
};

class Freezing : public testing::TestWithParam<const char*> {
 protected:
  static std::vector<std::string> selectors() {
    std::vector<std::string> all = {"none",    "all",      "blocks:1", "blocks:3",  "blocks:6",  "blocks:20",
                                    "layer:7", "layer:56", "layer:80", "layer:100", "layer:120", "layer:150"};
    const bool resnet = std::string(GetParam()) == "resnet50";
    // Inside a block: a shortcut's convolution, a norm alone, the two convolutions of a squeeze-excite, a projection.
    const std::vector<std::string> inside =
        resnet ? std::vector<std::string>{"glob:conv5_block1_0_conv", "glob:conv4_block3_2_bn", "glob:conv1_*",
                                          "glob:conv3_block1_3_conv+blocks:1"}
               : std::vector<std::string>{"glob:*_squeeze_excite_conv", "glob:expanded_conv_4_squeeze_excite_conv_1",
                                          "glob:expanded_conv_project_bn", "glob:expanded_conv_5_project+blocks:1"};
    all.insert(all.end(), inside.begin(), inside.end());
    return all;
  }
};

TEST_P(Freezing, CostsWhatTheTablePredictsForEverySelectorAndMode) {
  Counted counted(GetParam());
  for (const std::string& selector : selectors()) {
    for (const NormMode mode : {NormMode::train, NormMode::inference, NormMode::frozen_affine}) {
      SCOPED_TRACE(fmt::format("{} --unfreeze {} --bn {}", GetParam(), selector, name_of(mode)));
      apply_selection(*counted.network, select_layers(*counted.network, selector), mode);
      // New values unpack what earlier selectors packed, so that every case counts its own packing.
      for (Parameter& p : counted.network->parameters.all()) p.mark_changed();
      const test::StepPrediction expected = test::predict_step(*counted.network, kBatch);
      const Step step = counted.step();
      EXPECT_EQ(step.forward, expected.forward);
      EXPECT_EQ(step.backward, expected.backward);
      EXPECT_EQ(step.closures, expected.closures);
      EXPECT_EQ(step.saved_bytes, expected.saved_bytes);
    }
  }
}

TEST_P(Freezing, RecordsAndSavesNothingBeforeTheCut) {
  Counted counted(GetParam());
  Network& network = *counted.network;
  for (const std::string& selector : selectors()) {
    SCOPED_TRACE(fmt::format("{} --unfreeze {}", GetParam(), selector));
    apply_selection(network, select_layers(network, selector), NormMode::train);
    Tape tape;
    Context ctx = test::context_of(network, Dtype::f32);
    ctx.tape = &tape;
    ctx.training = true;
    counted.backend->calls.clear();
    const std::size_t cut = network.cut();
    const Var x = network.forward(ctx, network.input(ctx, test::synthetic_pixels(network, kBatch)), 0, cut);
    EXPECT_FALSE(x.wants_grad());
    EXPECT_EQ(tape.size(), 0U);
    EXPECT_EQ(tape.saved_bytes(), 0U);
    std::int64_t norms = 0;
    for (std::size_t i = 0; i < cut; ++i) norms += std::ssize(network.stages[i].norms);
    EXPECT_EQ(counted.backend->calls["conv_forward_packed"], norms);
    EXPECT_EQ(counted.backend->calls["norm_forward on running"], 0);
    EXPECT_EQ(counted.backend->calls["norm_forward on batch"], 0);
  }
}

TEST_P(Freezing, PacksAFrozenFilterOnce) {
  Counted counted(GetParam());
  apply_selection(*counted.network, select_layers(*counted.network, "blocks:1"), NormMode::train);
  Counts first = counted.step().forward;
  EXPECT_GT(first["pack_conv"], 0);
  first.erase("pack_conv");
  EXPECT_EQ(counted.step().forward, first);
}

TEST_P(Freezing, LeavesOnlyTheHeadToAFrozenBase) {
  Counted counted(GetParam(), 0.2);
  apply_selection(*counted.network, select_layers(*counted.network, "none"), NormMode::train);
  const Step step = counted.step();
  const Counts closures = {{"dense", 1}, {"softmax_cross_entropy", 1}};
  const Counts backward = {{"dense_backward_weights", 1}};
  EXPECT_EQ(step.closures, closures);
  EXPECT_EQ(step.backward, backward);
  const std::int64_t pooled = counted.network->layers.rows().end()[-2].output.numel();
  EXPECT_EQ(step.saved_bytes, static_cast<std::size_t>(kBatch * (pooled + 5)) * sizeof(float));
}

TEST_P(Freezing, GivesGradientsToTrainableParametersOnly) {
  Counted counted(GetParam());
  Network& network = *counted.network;
  apply_selection(network, select_layers(network, "blocks:2"), NormMode::train);
  Tape tape;
  Context ctx = test::context_of(network, Dtype::f32);
  ctx.tape = &tape;
  ctx.training = true;
  const Var logits = network.forward(ctx, test::synthetic_pixels(network, kBatch));
  const std::vector<std::int32_t> labels(kBatch, 1);
  softmax_cross_entropy(ctx, logits, Tensor::from_labels(counted.backend, labels), make_loss_sums(counted.backend));
  tape.backward();
  for (const Parameter& p : network.parameters.all()) EXPECT_EQ(p.gradient().defined(), p.trainable()) << p.name();
}

INSTANTIATE_TEST_SUITE_P(Zoo, Freezing, testing::Values("resnet50", "mobilenet_v3_large", "mobilenet_v3_small"),
                         [](const auto& test_case) { return std::string(test_case.param); });

}  // namespace
}  // namespace thaw
