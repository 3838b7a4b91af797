// cuDNN itself, planning batch norms for GPUs that are only described.
#include "kernels/cuda/norm_graph.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace thaw::cuda {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Plans = std::vector<std::shared_ptr<const NormPlan>>;

Plans plans_of(CudnnNormPlanner& planner, const NormRequest& request, std::size_t most = 100,
               std::string_view engine = {}) {
  Plans plans;
  planner.for_each_plan(request, engine, [&](std::shared_ptr<const NormPlan> plan) {
    plans.push_back(std::move(plan));
    return plans.size() < most;
  });
  return plans;
}

/// Batch statistics of 32 images of 28x28 pixels.
NormRequest request(NormDirection direction, bool residual, Act act, Dtype dtype = Dtype::f32) {
  return {.problem = {.rows = 25088, .c = 64, .training = true, .residual = residual, .act = act, .dtype = dtype},
          .direction = direction};
}

TEST(CudnnNormPlanner, FinishesAPlanOfEachFormInBothDirectionsFromAmpereOn) {
  for (const char* gpu : {"h200", "a100", "rtx4090"}) {
    CudnnNormPlanner planner(find_device(gpu));
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      for (const auto direction : {NormDirection::forward, NormDirection::backward}) {
        for (const auto& [residual, act] : {std::pair(false, Act::linear), {false, Act::relu}, {true, Act::relu}}) {
          const NormRequest asked = request(direction, residual, act, dtype);
          EXPECT_THAT(plans_of(planner, asked, 1), SizeIs(1)) << gpu << " " << asked.text();
        }
      }
    }
  }
}

TEST(CudnnNormPlanner, HasNothingForATuring) {
  CudnnNormPlanner planner(find_device("t4"));
  const std::string reason =
      planner.for_each_plan(request(NormDirection::forward, false, Act::linear), "", [](const auto&) { return false; });
  EXPECT_THAT(reason, Not(IsEmpty()));
}

TEST(CudnnNormPlanner, SaysWhatIsNotAskedOfCudnn) {
  CudnnNormPlanner planner(find_device("h200"));
  for (const NormRequest& asked :
       {request(NormDirection::forward, false, Act::hard_swish), request(NormDirection::backward, true, Act::linear)}) {
    EXPECT_THAT(plans_of(planner, asked), IsEmpty());
    EXPECT_THAT(planner.for_each_plan(asked, "", [](const auto&) { return true; }), Not(IsEmpty()));
  }
}

TEST(CudnnNormPlanner, FindsAPlanAgainByItsName) {
  CudnnNormPlanner planner(find_device("h200"));
  planner.finish = false;
  const NormRequest asked = request(NormDirection::backward, false, Act::relu, Dtype::bf16);
  const Plans all = plans_of(planner, asked);
  ASSERT_GT(all.size(), 2U);
  const std::string name = all[2]->facts().engine;
  const Plans one = plans_of(planner, asked, 1, name);
  ASSERT_THAT(one, SizeIs(1));
  EXPECT_EQ(one[0]->facts().engine, name);
  EXPECT_THAT(plans_of(planner, asked, 1, "eng999"), IsEmpty());
}

TEST(CudnnNormPlanner, SaysTheSameOfAnEngineThatItAsksAsOfOneThatItFinishes) {
  CudnnNormPlanner planner(find_device("h200"));
  const NormRequest asked = request(NormDirection::forward, true, Act::relu, Dtype::bf16);
  const Plans finished = plans_of(planner, asked, 2);
  planner.finish = false;
  const Plans quick = plans_of(planner, asked, 2);
  ASSERT_EQ(quick.size(), finished.size());
  for (std::size_t i = 0; i < quick.size(); ++i) {
    EXPECT_EQ(quick[i]->facts().engine, finished[i]->facts().engine);
    EXPECT_EQ(quick[i]->facts().workspace_bytes, finished[i]->facts().workspace_bytes);
  }
}

}  // namespace
}  // namespace thaw::cuda
