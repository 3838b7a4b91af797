// What a norm's call does around its plan: what it is given, scratch, statistics. Fake plans and memory, no GPU.
#include "kernels/cuda/norm_calls.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

#include "tests/plans/fake_norm_planner.h"

namespace thaw::cuda {
namespace {

using ::testing::ElementsAre;
using testing::FakeNormPlan;
using ::testing::IsEmpty;
using testing::NormExecution;

/// Counts blocks and notes what it is asked to do.
class FakeServices : public NormServices {
 public:
  void* allocate(std::size_t bytes) override {
    log.push_back(fmt::format("allocate {}", bytes));
    blocks.push_back(std::make_unique<char[]>(bytes));
    live.insert(blocks.back().get());
    return blocks.back().get();
  }
  void release(void* block) noexcept override { live.erase(block); }
  void finish_statistics(const NormProblem&, const NormForward& args, const void* inverse) override {
    log.emplace_back("finish");
    finished = args;
    deviation = inverse;
  }
  void invert(const NormProblem&, const void* variance, void* inverse) override {
    log.emplace_back("invert");
    inverted = variance;
    deviation = inverse;
  }

  std::vector<std::string> log;
  std::vector<std::unique_ptr<char[]>> blocks;
  std::set<void*> live;
  NormForward finished;
  const void* inverted = nullptr;
  const void* deviation = nullptr;
};

class NormCalls : public ::testing::Test {
 protected:
  static NormProblem problem(bool residual, Act act) {
    return {.rows = 10, .c = 8, .training = true, .residual = residual, .act = act, .epsilon = 0.25};
  }
  [[nodiscard]] NormForward forward() {
    return {.x = &x_,
            .gamma = &gamma_,
            .beta = &beta_,
            .residual = &residual_,
            .mean = &mean_,
            .variance = &variance_,
            .running_mean = &running_,
            .y = &y_};
  }
  [[nodiscard]] NormBackward backward() {
    return {.x = &x_,
            .y = &y_,
            .dy = &dy_,
            .gamma = &gamma_,
            .beta = &beta_,
            .mean = &mean_,
            .variance = &variance_,
            .dx = &dx_,
            .dgamma = &dgamma_,
            .dbeta = &dbeta_,
            .dresidual = &residual_};
  }
  const NormPointers& run(const NormProblem& problem, const NormForward& args) {
    norms_.forward(plan_, problem, args);
    return executions_.back().pointers;
  }
  const NormPointers& run(const NormProblem& problem, const NormBackward& args) {
    norms_.backward(plan_, problem, args);
    return executions_.back().pointers;
  }

  std::vector<NormExecution> executions_;
  FakeNormPlan plan_{{.engine = "eng0", .workspace_bytes = 64}, executions_};
  FakeServices services_;
  CudaNorms norms_{nullptr, services_};
  int x_ = 0, y_ = 0, dy_ = 0, dx_ = 0, residual_ = 0;
  int gamma_ = 0, beta_ = 0, mean_ = 0, variance_ = 0, running_ = 0, dgamma_ = 0, dbeta_ = 0;
};

TEST_F(NormCalls, FinishTheStatisticsBehindAForwardPlan) {
  const NormPointers& given = run(problem(true, Act::relu), forward());
  EXPECT_EQ(given.x, &x_);
  EXPECT_EQ(given.residual, &residual_);
  EXPECT_EQ(given.y, &y_);
  EXPECT_EQ(given.mean, &mean_);
  EXPECT_EQ(given.epsilon, 0.25F);
  EXPECT_EQ(given.inverse, services_.deviation);
  EXPECT_EQ(services_.finished.variance, &variance_);
  EXPECT_EQ(services_.finished.running_mean, &running_);
  EXPECT_THAT(services_.log, ElementsAre("allocate 32", "allocate 64", "finish"));
  EXPECT_THAT(services_.live, IsEmpty());
}

TEST_F(NormCalls, GiveAForwardPlanNoResidualThatTheProblemDoesNotHave) {
  EXPECT_EQ(run(problem(false, Act::relu), forward()).residual, nullptr);
}

TEST_F(NormCalls, InvertTheVarianceBeforeABackwardPlan) {
  const NormPointers& given = run(problem(false, Act::relu), backward());
  EXPECT_EQ(services_.inverted, &variance_);
  EXPECT_EQ(given.inverse, services_.deviation);
  EXPECT_EQ(given.dy, &dy_);
  EXPECT_EQ(given.dx, &dx_);
  EXPECT_EQ(given.dgamma, &dgamma_);
  EXPECT_EQ(given.dbeta, &dbeta_);
  EXPECT_THAT(services_.log, ElementsAre("allocate 32", "allocate 64", "invert"));
  EXPECT_THAT(services_.live, IsEmpty());
}

// A plan's graph has these tensors and no others; cuDNN refuses pointers that it does not know.
TEST_F(NormCalls, GiveABackwardPlanTheOperandsOfItsForm) {
  const NormPointers linear = run(problem(false, Act::linear), backward());
  EXPECT_EQ(linear.beta, nullptr);
  EXPECT_EQ(linear.y, nullptr);
  EXPECT_EQ(linear.dresidual, nullptr);
  const NormPointers relu = run(problem(false, Act::relu), backward());
  EXPECT_EQ(relu.beta, &beta_);
  EXPECT_EQ(relu.y, nullptr);
  EXPECT_EQ(relu.dresidual, nullptr);
  const NormPointers behind = run(problem(true, Act::relu), backward());
  EXPECT_EQ(behind.beta, nullptr);
  EXPECT_EQ(behind.y, &y_);
  EXPECT_EQ(behind.dresidual, &residual_);
}

TEST_F(NormCalls, FindAPlaceForParameterGradientsThatNobodyWants) {
  NormBackward args = backward();
  args.dgamma = args.dbeta = nullptr;
  const NormPointers& given = run(problem(false, Act::linear), args);
  EXPECT_NE(given.dgamma, nullptr);
  EXPECT_NE(given.dbeta, nullptr);
  EXPECT_NE(given.dgamma, given.dbeta);
  EXPECT_THAT(services_.live, IsEmpty());
}

TEST_F(NormCalls, LeaveToOwnKernelsWhatWantsLessThanAPlanGives) {
  NormForward statistics = forward();
  statistics.y = nullptr;
  EXPECT_FALSE(CudaNorms::takes(problem(false, Act::relu), statistics));
  EXPECT_TRUE(CudaNorms::takes(problem(false, Act::relu), forward()));
  NormBackward args = backward();
  args.dresidual = nullptr;
  EXPECT_TRUE(CudaNorms::takes(problem(false, Act::relu), args));
  EXPECT_FALSE(CudaNorms::takes(problem(true, Act::relu), args));
  args = backward();
  args.dx = nullptr;
  EXPECT_FALSE(CudaNorms::takes(problem(false, Act::relu), args));
  args = backward();
  args.x = nullptr;
  EXPECT_FALSE(CudaNorms::takes(problem(false, Act::relu), args));
}

}  // namespace
}  // namespace thaw::cuda
