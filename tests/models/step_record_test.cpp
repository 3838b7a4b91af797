// What a step asks of its backend is noted without being computed.
#include "models/step_record.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "tests/models/step_prediction.h"
#include "tests/models/support.h"

namespace thaw {
namespace {

int count(const std::vector<ConvCall>& calls, ConvCallKind kind) {
  return std::accumulate(calls.begin(), calls.end(), 0,
                         [kind](int sum, const ConvCall& call) { return sum + (call.kind == kind ? call.count : 0); });
}

int count(const std::vector<NormCall>& calls, bool backward) {
  return std::accumulate(calls.begin(), calls.end(), 0, [backward](int sum, const NormCall& call) {
    return sum + (call.backward == backward ? call.count : 0);
  });
}

StepQuestion question(const std::string& model, const std::string& unfreeze, int batch = 4) {
  return {.model = model, .options = {.size = 64, .head = {.classes = 5}}, .unfreeze = unfreeze, .batch = batch};
}

class StepRecords : public testing::TestWithParam<const char*> {};

TEST_P(StepRecords, NoteTheCallsThatTheTablePredicts) {
  for (const char* unfreeze : {"none", "blocks:2", "all"}) {
    SCOPED_TRACE(unfreeze);
    const StepRecord record = record_step(question(GetParam(), unfreeze));
    const auto network = test::reference_model(GetParam(), {.size = 64, .head = {.classes = 5}});
    apply_selection(*network, select_layers(*network, unfreeze), NormMode::train);
    test::StepPrediction expected = test::predict_step(*network, 4);
    EXPECT_EQ(record.cut, network->cut());
    EXPECT_EQ(count(record.prefix, ConvCallKind::fused) + count(record.step, ConvCallKind::fused),
              expected.forward["conv_forward_packed"]);
    EXPECT_EQ(count(record.prefix, ConvCallKind::forward) + count(record.step, ConvCallKind::forward),
              expected.forward["conv_forward"]);
    EXPECT_EQ(count(record.step, ConvCallKind::data), expected.backward["conv_backward_data"]);
    EXPECT_EQ(count(record.step, ConvCallKind::filter), expected.backward["conv_backward_filter"]);
    EXPECT_EQ(count(record.prefix_norms, false) + count(record.step_norms, false),
              expected.forward["norm_forward on batch"] + expected.forward["norm_forward on running"]);
    EXPECT_EQ(count(record.step_norms, true), expected.backward["norm_backward"]);
    EXPECT_EQ(record.memory.saved, expected.saved_bytes);
  }
}

TEST_P(StepRecords, NoteTheConvolutionsOfFusedSqueezeExcitesAsParts) {
  StepQuestion asked = question(GetParam(), "blocks:2");
  const StepRecord apart = record_step(asked);
  asked.as_cuda = true;
  const StepRecord fused = record_step(asked);
  const auto forward = [](const StepRecord& record, ConvCallKind kind) {
    return count(record.prefix, kind) + count(record.step, kind);
  };
  EXPECT_EQ(forward(apart, ConvCallKind::part), 0);
  const std::map<std::string, int> squeeze_excites = {
      {"resnet50", 0}, {"mobilenet_v3_large", 8}, {"mobilenet_v3_small", 9}};
  EXPECT_EQ(forward(fused, ConvCallKind::part), 2 * squeeze_excites.at(GetParam()));
  EXPECT_EQ(forward(fused, ConvCallKind::part) + forward(fused, ConvCallKind::forward),
            forward(apart, ConvCallKind::forward));
  EXPECT_EQ(count(fused.step, ConvCallKind::data), count(apart.step, ConvCallKind::data));
  EXPECT_EQ(fused.memory.saved, apart.memory.saved);
}

TEST_P(StepRecords, HaveTheBatchAndTypeThatWereAskedFor) {
  StepQuestion asked = question(GetParam(), "all", 256);
  asked.dtype = Dtype::bf16;
  const StepRecord record = record_step(asked);
  ASSERT_FALSE(record.step.empty());
  for (const ConvCall& call : record.step) {
    EXPECT_EQ(call.problem.n, 256);
    EXPECT_EQ(call.problem.dtype, Dtype::bf16);
  }
}

TEST_P(StepRecords, HoldWeightsGradientsAndMomentsWithinTheStepsPeak) {
  const StepRecord record = record_step(question(GetParam(), "all"));
  const StepMemory& memory = record.memory;
  EXPECT_GT(memory.weights, memory.gradients);  // statistics have none
  EXPECT_EQ(memory.optimizer, 2 * memory.gradients);
  EXPECT_GT(memory.step_peak, memory.weights + memory.optimizer + memory.saved);
  EXPECT_EQ(memory.prefix_peak, 0U);
}

TEST_P(StepRecords, HoldABf16CopyOfEachDenseFilterThatTrainsOnCuda) {
  for (const char* unfreeze : {"none", "blocks:2", "all"}) {
    StepQuestion asked = question(GetParam(), unfreeze);
    asked.dtype = Dtype::bf16;
    EXPECT_EQ(record_step(asked).memory.filter_copies, 0U) << "a processor needs none";
    asked.as_cuda = true;
    asked.dtype = Dtype::f32;
    const StepMemory in_f32 = record_step(asked).memory;
    asked.dtype = Dtype::bf16;
    const StepMemory in_bf16 = record_step(asked).memory;
    const auto network = test::reference_model(GetParam(), {.size = 64, .head = {.classes = 5}});
    apply_selection(*network, select_layers(*network, unfreeze), NormMode::train);
    std::size_t elements = 0;
    std::size_t filters = 0;
    for (const Parameter* parameter : network->parameters.trainable()) {
      if (parameter->shape().rank() != 4) continue;  // depthwise filters have three axes, dense layers run in f32
      elements += static_cast<std::size_t>(parameter->count());
      ++filters;
    }
    EXPECT_EQ(in_f32.filter_copies, 0U);
    EXPECT_GE(in_bf16.filter_copies, 2 * elements);
    EXPECT_LE(in_bf16.filter_copies, 2 * elements + 512 * filters) << "blocks are whole granules";
    EXPECT_GT(in_bf16.step_peak, in_bf16.weights + in_bf16.optimizer + in_bf16.filter_copies + in_bf16.saved);
  }
}

TEST_P(StepRecords, CastNoFilterThatHasABf16Copy) {
  StepQuestion asked = question(GetParam(), "all");
  asked.dtype = Dtype::bf16;
  for (const bool as_cuda : {false, true}) {
    asked.as_cuda = as_cuda;
    const StepRecord record = record_step(asked);
    for (const ConvCall& call : record.step) EXPECT_FALSE(call.casts_filter) << call.problem.text();
  }
  // Batch norms alone: the filters behind the first one are frozen, so nothing writes copies of them.
  asked.unfreeze = "glob:*_bn";
  const StepRecord record = record_step(asked);
  EXPECT_TRUE(std::ranges::any_of(record.step, [](const ConvCall& call) { return call.casts_filter; }));
  EXPECT_EQ(record.memory.filter_copies, 0U);
}

TEST_P(StepRecords, NeedLessMemoryTheMoreIsFrozen) {
  const std::size_t all = record_step(question(GetParam(), "all")).memory.step_peak;
  const std::size_t some = record_step(question(GetParam(), "blocks:2")).memory.step_peak;
  const std::size_t none = record_step(question(GetParam(), "none")).memory.step_peak;
  EXPECT_GT(all, some);
  EXPECT_GT(some, none);
}

INSTANTIATE_TEST_SUITE_P(Models, StepRecords, testing::Values("resnet50", "mobilenet_v3_large", "mobilenet_v3_small"),
                         [](const auto& model) { return std::string(model.param); });

}  // namespace
}  // namespace thaw
