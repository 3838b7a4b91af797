// What a convolution's call does around its plan: casts, workspace, epilogue. Fake plans and memory, no GPU.
#include "kernels/cuda/conv_calls.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

#include "kernels/error.h"
#include "tests/plans/fake_planner.h"

namespace thaw::cuda {
namespace {

using ::testing::ElementsAre;
using testing::Execution;
using testing::FakeLibrary;
using testing::FakePlanner;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Counts blocks and notes what it is asked to do.
class FakeServices : public ConvServices {
 public:
  void* allocate(std::size_t bytes) override {
    log.push_back(fmt::format("allocate {}", bytes));
    blocks.push_back(std::make_unique<char[]>(bytes));
    live.insert(blocks.back().get());
    return blocks.back().get();
  }
  void release(void* block) noexcept override { live.erase(block); }
  void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) override {
    log.push_back(fmt::format("cast {} {} to {}", count, name_of(from), name_of(to)));
    cast_from = x;
    cast_to = y;
  }
  void epilogue(const ConvProblem& problem, const void* bias, const void* residual, void* y) override {
    log.push_back(fmt::format("epilogue {}", problem.text()));
    epilogue_bias = bias;
    epilogue_residual = residual;
    epilogue_y = y;
  }

  std::vector<std::string> log;
  std::vector<std::unique_ptr<char[]>> blocks;
  std::set<void*> live;
  const void* cast_from = nullptr;
  void* cast_to = nullptr;
  const void* epilogue_bias = nullptr;
  const void* epilogue_residual = nullptr;
  void* epilogue_y = nullptr;
};

class ConvCalls : public ::testing::Test {
 protected:
  static ConvProblem problem(Dtype dtype) {
    ConvProblem p = ConvProblem::parse("n2c8h6w6_k4r3s3p1+bias+residual+relu");
    p.dtype = dtype;
    return p;
  }
  [[nodiscard]] CudaConvs convs() { return CudaConvs(nullptr, services_, std::make_unique<FakePlanner>(library_), {}); }
  [[nodiscard]] ConvForward forward() { return {.x = &x_, .w = &w_, .bias = &bias_, .residual = &residual_, .y = &y_}; }
  [[nodiscard]] const Execution& execution() const { return library_.executions.at(0); }

  FakeLibrary library_;
  FakeServices services_;
  int x_ = 0, w_ = 0, bias_ = 0, residual_ = 0, y_ = 0;
};

TEST_F(ConvCalls, GiveAWholePlanEverythingAndItsWorkspace) {
  convs().forward(problem(Dtype::f32), forward());
  EXPECT_EQ(execution().pointers.x, &x_);
  EXPECT_EQ(execution().pointers.w, &w_);
  EXPECT_EQ(execution().pointers.bias, &bias_);
  EXPECT_EQ(execution().pointers.residual, &residual_);
  EXPECT_EQ(execution().pointers.out, &y_);
  EXPECT_EQ(execution().workspace, services_.blocks.at(0).get());
  EXPECT_THAT(services_.log, ElementsAre("allocate 64"));
  EXPECT_THAT(services_.live, IsEmpty());
}

TEST_F(ConvCalls, AddTheEpilogueBehindABarePlan) {
  library_.engines = {{.engine = "bare:c", .whole = false}};
  convs().forward(problem(Dtype::f32), forward());
  EXPECT_EQ(execution().pointers.bias, nullptr);
  EXPECT_EQ(execution().pointers.residual, nullptr);
  EXPECT_EQ(execution().workspace, nullptr);
  EXPECT_THAT(services_.log, ElementsAre("epilogue n2c8h6w6_k4r3s3p1+bias+residual+relu:f32"));
  EXPECT_EQ(services_.epilogue_bias, &bias_);
  EXPECT_EQ(services_.epilogue_residual, &residual_);
  EXPECT_EQ(services_.epilogue_y, &y_);
}

TEST_F(ConvCalls, IgnoreOperandsThatTheProblemDoesNotHave) {
  library_.engines = {{.engine = "bare:c", .whole = false}};
  ConvProblem plain = problem(Dtype::f32);
  plain.bias = plain.residual = false;
  convs().forward(plain, forward());
  EXPECT_EQ(services_.epilogue_bias, nullptr);
  EXPECT_EQ(services_.epilogue_residual, nullptr);
}

TEST_F(ConvCalls, CastAMasterFilterForNarrowActivations) {
  convs().forward(problem(Dtype::bf16), forward());
  EXPECT_EQ(services_.cast_from, &w_);
  EXPECT_EQ(execution().pointers.w, services_.cast_to);
  EXPECT_THAT(services_.log, ElementsAre("allocate 576", "cast 288 f32 to bf16", "allocate 64"));
  EXPECT_THAT(services_.live, IsEmpty());
}

TEST_F(ConvCalls, TakeAFilterThatIsCastAlreadyAsItIs) {
  CudaConvs calls = convs();
  calls.forward(problem(Dtype::bf16), forward(), Dtype::bf16);
  calls.backward_data(problem(Dtype::bf16), &w_, &y_, &x_, Dtype::bf16);
  EXPECT_EQ(library_.executions.at(0).pointers.w, &w_);
  EXPECT_EQ(library_.executions.at(1).pointers.w, &w_);
}

TEST_F(ConvCalls, GiveTheInputGradientFilterAndOutputGradient) {
  convs().backward_data(problem(Dtype::bf16), &w_, &y_, &x_);
  EXPECT_EQ(execution().pointers.dy, &y_);
  EXPECT_EQ(execution().pointers.w, services_.cast_to);
  EXPECT_EQ(execution().pointers.out, &x_);
  EXPECT_EQ(execution().pointers.x, nullptr);
}

TEST_F(ConvCalls, WriteAFilterGradientOfTheMastersTypeAtOnce) {
  convs().backward_filter(problem(Dtype::bf16), &x_, &y_, &w_);
  EXPECT_EQ(execution().pointers.out, &w_);
  EXPECT_EQ(execution().pointers.x, &x_);
  EXPECT_EQ(execution().pointers.dy, &y_);
  EXPECT_THAT(services_.log, ElementsAre("allocate 64"));
}

TEST_F(ConvCalls, WidenAFilterGradientThatComesNarrow) {
  library_.engines = {{.engine = "bf16:d", .output = Dtype::bf16}};
  convs().backward_filter(problem(Dtype::bf16), &x_, &y_, &w_);
  EXPECT_EQ(services_.cast_from, execution().pointers.out);
  EXPECT_EQ(services_.cast_to, &w_);
  EXPECT_THAT(services_.log, ElementsAre("allocate 576", "cast 288 bf16 to f32"));
  EXPECT_THAT(services_.live, IsEmpty());
}

std::vector<std::string> names_of(const std::vector<ConvWay>& ways, bool chosen_only) {
  std::vector<std::string> names;
  for (const ConvWay& way : ways) {
    if (way.chosen || !chosen_only) names.push_back(way.name);
  }
  return names;
}

TEST_F(ConvCalls, ListEveryEngineOnceWithTheOneThatARunTakes) {
  library_.engines.insert(library_.engines.begin() + 1, library_.engines.front());
  library_.engines[2].notes = {"FFT"};
  CudaConvs calls = convs();
  const std::vector<ConvWay> ways = calls.engines({.problem = problem(Dtype::bf16)});
  EXPECT_THAT(names_of(ways, false), ElementsAre("whole:a", "whole:b", "bare:c"));
  EXPECT_THAT(names_of(ways, true), ElementsAre("whole:a"));
  EXPECT_EQ(ways.at(0).workspace_bytes, 64U);
  EXPECT_FALSE(ways.at(0).transformed);
  EXPECT_TRUE(ways.at(1).transformed);
  EXPECT_THAT(ways.at(2).notes, ElementsAre("then an epilogue"));
}

TEST_F(ConvCalls, ListEnginesOfADepthwiseProblemAndChooseNone) {
  ConvProblem depthwise = ConvProblem::parse("n2c8h6w6_k8r3s3p1");
  depthwise.groups = 8;
  CudaConvs calls = convs();
  const std::vector<ConvWay> ways = calls.engines({.problem = depthwise, .direction = ConvDirection::filter});
  EXPECT_THAT(names_of(ways, false), ElementsAre("whole:a", "whole:b", "bare:c"));
  EXPECT_THAT(names_of(ways, true), IsEmpty());
}

TEST_F(ConvCalls, RunAnEngineThatIsBoundWithoutCasts) {
  library_.engines = {{.engine = "bf16:d", .workspace_bytes = 64, .output = Dtype::bf16}};
  CudaConvs calls = convs();
  const ConvTask task{.problem = problem(Dtype::bf16), .direction = ConvDirection::filter};
  EXPECT_EQ(calls.engines(task).at(0).result, Dtype::bf16);
  const auto run = calls.bind(task, "bf16:d", {.x = &x_, .dy = &y_, .out = &w_});
  EXPECT_THAT(library_.executions, IsEmpty());
  run();
  run();
  EXPECT_EQ(library_.executions.size(), 2U);
  EXPECT_EQ(execution().pointers.out, &w_);
  EXPECT_THAT(services_.log, ElementsAre("allocate 64", "allocate 64"));
  EXPECT_THAT(services_.live, IsEmpty());
}

TEST_F(ConvCalls, FinishABareEngineThatIsBoundWithTheEpilogue) {
  CudaConvs calls = convs();
  calls.bind({.problem = problem(Dtype::f32)}, "bare:c",
             {.x = &x_, .w = &w_, .bias = &bias_, .residual = &residual_, .out = &y_})();
  EXPECT_EQ(execution().engine, "bare:c");
  EXPECT_EQ(execution().pointers.bias, nullptr);
  EXPECT_EQ(services_.epilogue_bias, &bias_);
  EXPECT_THROW(calls.bind({.problem = problem(Dtype::f32)}, "whole:z", {}), Error);
}

TEST_F(ConvCalls, RefuseDepthwiseProblemsByName) {
  ConvProblem depthwise = ConvProblem::parse("n2c8h6w6_k8r3s3p1");
  depthwise.groups = 8;
  CudaConvs calls = convs();
  for (const auto& call : {std::function<void()>([&] { calls.forward(depthwise, forward()); }),
                           std::function<void()>([&] { calls.backward_data(depthwise, &w_, &y_, &x_); }),
                           std::function<void()>([&] { calls.backward_filter(depthwise, &x_, &y_, &w_); })}) {
    try {
      call();
      ADD_FAILURE() << "a depthwise problem was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device);
      EXPECT_THAT(error.what(), HasSubstr(depthwise.text()));
    }
  }
  EXPECT_THAT(library_.asked, IsEmpty());
}

}  // namespace
}  // namespace thaw::cuda
