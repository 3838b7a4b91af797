// Engines of a library beside thaw's kernels on the emulated device: a library of the test's own, which takes filters
// as cuDNN does.
#include <gmock/gmock.h>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/error.h"
#include "microscope/ways.h"
#include "tests/emulation/empty_library.h"

namespace thaw::cuda {
namespace {

using microscope::Agreement;
using ::testing::ElementsAre;
using ::testing::SizeIs;

/// One engine for everything: the tiled products, which read filters as (K,R,S,C/groups) also where a problem is
/// depthwise. Filters come in the activations' type; a filter gradient in bf16 goes out rounded.
class GroupedLibrary : public EmptyLibrary, private Workspace {
 public:
  GroupedLibrary(Gpu& gpu, DeviceMemory& memory)
      : gpu_(gpu), memory_(memory), scratch_(memory, 1 << 20), tickets_(memory, most_tickets * sizeof(unsigned)) {
    gpu_.fill(tickets_.data(), 0, tickets_.bytes());
  }

  std::vector<ConvWay> conv_engines(const ConvTask& task) override {
    return {{.name = "whole:grouped",
             .chosen = !task.problem.depthwise(),
             .workspace_bytes = 0,
             .result = conv_result(task)}};
  }
  std::function<void()> bind_conv(const ConvTask& task, const std::string& engine, const ConvOperands& to) override {
    if (engine != "whole:grouped") fail_way(task, engine);
    return [this, task, to] { run(task, to); };
  }

 private:
  void run(const ConvTask& task, const ConvOperands& to) {
    const ConvProblem& p = task.problem;
    const std::int64_t count = p.filter_size();
    const Block wide(memory_, static_cast<std::size_t>(count) * sizeof(float));
    auto* filter = static_cast<float*>(wide.data());
    if (task.direction != ConvDirection::filter) cast(stream(), p.dtype, Dtype::f32, count, to.w, filter);
    switch (task.direction) {
      case ConvDirection::forward:
        product_forward(stream(), p, {.x = to.x, .w = filter, .bias = to.bias, .residual = to.residual, .y = to.out});
        break;
      case ConvDirection::data: product_backward_data(stream(), p, filter, to.dy, to.out); break;
      case ConvDirection::filter:
        product_backward_filter(*this, p, to.x, to.dy, filter);
        cast(stream(), Dtype::f32, p.dtype, count, filter, to.out);
        break;
    }
  }

  [[nodiscard]] Stream stream() const override { return gpu_.stream(); }
  [[nodiscard]] int multiprocessors() const override { return gpu_.multiprocessors(); }
  void* scratch(std::size_t bytes) override { return grown(scratch_, bytes); }
  void* held(std::size_t bytes) override { return grown(held_, bytes); }
  unsigned* tickets() override { return static_cast<unsigned*>(tickets_.data()); }
  void* grown(Block& block, std::size_t bytes) {
    if (block.bytes() < bytes) block = Block(memory_, bytes);
    return block.data();
  }

  Gpu& gpu_;
  DeviceMemory& memory_;
  Block scratch_, held_, tickets_;
};

std::unique_ptr<Library> make_grouped(Gpu& gpu, DeviceMemory& memory, const BackendOptions&) {
  return std::make_unique<GroupedLibrary>(gpu, memory);
}

std::vector<std::string> names_of(const std::vector<ConvWay>& ways, bool chosen_only) {
  std::vector<std::string> names;
  for (const ConvWay& way : ways) {
    if (way.chosen || !chosen_only) names.push_back(way.name);
  }
  return names;
}

TEST(CudaConvWays, AreTheOwnKernelAndTheLibrarysEngines) {
  CudaBackend with(0, {}, make_grouped);
  const ConvTask depthwise{.problem = ConvProblem::parse("n1c8h5w5_k8r3s3g8p1")};
  const ConvTask dense{.problem = ConvProblem::parse("n1c8h5w5_k8r3s3p1")};
  EXPECT_THAT(names_of(with.conv_ways().ways(depthwise), false), ElementsAre("own", "whole:grouped"));
  EXPECT_THAT(names_of(with.conv_ways().ways(depthwise), true), ElementsAre("own"));
  EXPECT_THAT(names_of(with.conv_ways().ways(dense), true), ElementsAre("whole:grouped"));
  CudaBackend without(0, {}, nullptr);
  EXPECT_THAT(names_of(without.conv_ways().ways(dense), true), ElementsAre("own"));
  EXPECT_THAT(names_of(without.conv_ways().ways(dense), false), SizeIs(1));
}

/// Depthwise problems among them, whose filters an engine wants the other way round, and back.
TEST(CudaConvWays, AreRightInEveryDirectionWhateverFormAnEngineWants) {
  CudaBackend backend(0, {}, make_grouped);
  const std::pair<const char*, const char*> problems[] = {{"depthwise", "n2c20h7w6_r3"},
                                                          {"depthwise", "n2c9h8w9_r5u2"},
                                                          {"conv", "n2c8h6w5_k12r3s3p1+bias+residual+relu"},
                                                          {"conv", "n2c8h6w5_k12r1s1g2"}};
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    for (const auto& [name, text] : problems) {
      const auto& family = microscope::family(name);
      const std::string problem = family.canonical(text, {.standard = dtype});
      for (const char* direction : {"fwd", "dgrad", "wgrad", "packed"}) {
        const auto request = microscope::request_of_ways({.family = name, .problem = problem, .direction = direction});
        for (const ConvWay& way : microscope::ways_of(backend, request)) {
          const microscope::Case subject = microscope::case_of(backend, request, &way);
          microscope::Specimen specimen(backend, subject, 7);
          const microscope::Finding finding = check(subject, specimen, {.limit = 1e9, .seed = 7});
          EXPECT_TRUE(finding.good()) << request.problem << " " << direction << " " << way.name << ": "
                                      << finding.complaint;
          if (subject.exactness == microscope::Exactness::integers) {
            EXPECT_EQ(finding.agreement, Agreement::exact) << request.problem << " " << direction << " " << way.name;
          }
        }
      }
    }
  }
}

TEST(CudaConvWays, RefuseAnEngineThatTheLibraryHasNot) {
  CudaBackend backend(0, {}, make_grouped);
  const ConvTask task{.problem = ConvProblem::parse("n1c8h5w5_k8r3s3p1")};
  EXPECT_THROW(backend.conv_ways().bind(task, {.name = "whole:other"}, {}), Error);
}

}  // namespace
}  // namespace thaw::cuda
