#include "microscope/check.h"

#include <gmock/gmock.h>

#include <cstring>
#include <functional>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "microscope/families.h"

namespace thaw::microscope {
namespace {

using ::testing::HasSubstr;

/// The processor's backend with convolutions that go wrong as a test wants.
class WrongBackend : public CpuBackend {
 public:
  std::function<void(const ConvProblem&, const ConvForward&)> spoil;
  void conv_forward(const ConvProblem& problem, const ConvForward& args) override {
    CpuBackend::conv_forward(problem, args);
    if (spoil) spoil(problem, args);
  }
};

constexpr const char* kProblem = "n4c8h6w6_k5r3s3p1+bias:f32";

Finding finding_of(Backend& backend, const std::string& problem, const std::string& direction, double limit = 1e9) {
  const std::string name = problem.starts_with("norm") ? "norm" : "conv";
  const Case subject = family(name).make(problem, direction);
  Specimen specimen(backend, subject, 5);
  return check(subject, specimen, {.limit = limit, .seed = 5});
}

TEST(Check, AGoodKernelIsExactAndDeterministic) {
  CpuBackend backend;
  const Finding finding = finding_of(backend, kProblem, "fwd");
  EXPECT_TRUE(finding.good());
  EXPECT_EQ(finding.agreement, Agreement::exact);
  EXPECT_EQ(finding.part, "all");
  EXPECT_EQ(finding.complaint, "");
}

TEST(Check, OneWrongElementIsFoundAndNamed) {
  WrongBackend backend;
  backend.spoil = [](const ConvProblem&, const ConvForward& args) { static_cast<float*>(args.y)[37] += 1; };
  const Finding finding = finding_of(backend, kProblem, "fwd");
  EXPECT_EQ(finding.agreement, Agreement::wrong);
  EXPECT_THAT(finding.complaint, HasSubstr("'y'[37] is"));
  EXPECT_THAT(finding.complaint, HasSubstr("(1 of 720 elements differ)"));
}

TEST(Check, AnElementThatIsLeftOutIsFound) {
  WrongBackend backend;
  backend.spoil = [](const ConvProblem&, const ConvForward& args) {
    std::memset(static_cast<float*>(args.y) + 719, 0xFF, sizeof(float));  // as it was before the call
  };
  const Finding finding = finding_of(backend, kProblem, "fwd");
  EXPECT_EQ(finding.agreement, Agreement::wrong);
  EXPECT_THAT(finding.complaint, HasSubstr("'y'[719] is"));
}

TEST(Check, AWriteOutsideAnOperandIsFoundAndNamed) {
  WrongBackend backend;
  backend.spoil = [](const ConvProblem& p, const ConvForward& args) {
    static_cast<float*>(args.y)[p.output_size()] = 0;
  };
  EXPECT_EQ(finding_of(backend, kProblem, "fwd").complaint, "wrote behind 'y'");
  backend.spoil = [](const ConvProblem&, const ConvForward& args) { static_cast<float*>(args.y)[-1] = 0; };
  EXPECT_EQ(finding_of(backend, kProblem, "fwd").complaint, "wrote before 'y'");
}

TEST(Check, AChangedInputIsFoundAndNamed) {
  WrongBackend backend;
  backend.spoil = [](const ConvProblem&, const ConvForward& args) {
    static_cast<float*>(const_cast<void*>(args.w))[0] += 1;
  };
  EXPECT_EQ(finding_of(backend, kProblem, "fwd").complaint, "changed its input 'w'");
}

TEST(Check, ResultsThatDifferBetweenRunsAreFound) {
  WrongBackend backend;
  int calls = 0;
  backend.spoil = [&calls](const ConvProblem&, const ConvForward& args) {
    float& first = *static_cast<float*>(args.y);
    if (++calls == 3) first = std::nextafter(first, 100.0F);  // the last bit of the third run
  };
  const Finding finding = finding_of(backend, kProblem, "fwd");
  EXPECT_FALSE(finding.deterministic);
  EXPECT_FALSE(finding.good());
  EXPECT_NE(finding.agreement, Agreement::wrong) << "each run alone was close enough";
  EXPECT_THAT(finding.complaint, HasSubstr("differ in their bits"));
}

TEST(Check, APartIsTakenWhereTheOracleWouldTakeTooLong) {
  CpuBackend backend;
  const double image = ConvProblem::parse(kProblem).flops() / 4;
  EXPECT_EQ(finding_of(backend, kProblem, "fwd", 2.5 * image).part, "2 of 4 images");
  EXPECT_EQ(finding_of(backend, kProblem, "dgrad", 2.5 * image).part, "2 of 4 images");
  EXPECT_EQ(finding_of(backend, kProblem, "wgrad", 2.5 * image).part, "3 of 5 filters");
  EXPECT_EQ(finding_of(backend, kProblem, "fwd", image / 100).agreement, Agreement::unchecked);
}

TEST(Check, APartStillFindsWhatIsWrongWithinIt) {
  WrongBackend backend;
  const double image = ConvProblem::parse(kProblem).flops() / 4;
  backend.spoil = [](const ConvProblem&, const ConvForward& args) { static_cast<float*>(args.y)[719] += 1; };
  const Finding finding = finding_of(backend, kProblem, "fwd", 2.5 * image);  // the first image and the last
  EXPECT_EQ(finding.agreement, Agreement::wrong);
  EXPECT_THAT(finding.complaint, HasSubstr("(1 of 360 elements differ)"));
}

/// Every family on small problems with odd sizes, whole and in part, on both backends of a processor.
TEST(Check, EveryFamilyIsRightOnTheProcessor) {
  const std::pair<const char*, const char*> rows[] = {
      {"conv", "n3c8h7w6_k10r3s3p1+bias+residual+relu"},
      {"conv", "n2c8h6w6_k12r3s3g2p1+bias"},
      {"conv", "n5c3h9w9_k17r5s3u2p1.2.0.1+hard_swish"},
      {"depthwise", "n3c17h9w8_r5u2"},
      {"depthwise", "n2c24h6w6_r3"},
      {"norm", "rows77c19+training+hard_swish"},
      {"norm", "rows77c19+training+residual+relu"},
      {"norm", "rows40c5+relu6"},
      {"norm", "rows40c5+residual"},
      {"pool", "maxpool_n3c5h9w8_r3s3u2p1"},
      {"pool", "avgpool_n3c5h7w7_r7s7u1"},
      {"pointwise", "act_hard_sigmoid_count1001"},
      {"pointwise", "add_count1001"},
      {"pointwise", "scale_n3hw25c17"},
      {"pointwise", "squeeze_excite_n3c17h5w4k7"},
      {"pointwise", "cast_bf16_to_f32_count77"},
      {"pointwise", "preprocess_n3hw35+bgr:u8"},
      {"pointwise", "preprocess_n3hw35"},
      {"pointwise", "softmax_n7k17"},
      {"pointwise", "dropout_count1001"},
      {"pointwise", "pad_n3h4w5c3p0.1.2.1"},
      {"dense", "n7c33k19+bias+relu"},
      {"adam", "2x17+1000"},
  };
  for (const char* device : {"cpu", "reference"}) {
    const auto backend = make_backend(device, {.threads = 2});
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      if (!backend->supports(dtype)) continue;
      for (const auto& [name, text] : rows) {
        const Family& family_of_row = family(name);
        const std::string problem = family_of_row.canonical(text, {.standard = dtype});
        for (const std::string& direction : family_of_row.directions_of(problem)) {
          const Case subject = family_of_row.make(problem, direction);
          Specimen specimen(*backend, subject, 11);
          for (const double limit : {1e9, subject.work * 0.6}) {
            const Finding finding = check(subject, specimen, {.limit = limit, .seed = 11});
            EXPECT_TRUE(finding.good()) << device << " " << problem << " " << direction << ": " << finding.complaint;
            EXPECT_NE(finding.agreement, Agreement::unchecked) << problem << " " << direction;
          }
        }
      }
    }
  }
}

TEST(Positions, AreSortedDistinctAndHoldBothEnds) {
  for (const std::int64_t wanted : {1, 2, 5, 63, 64, 100}) {
    const auto taken = positions(64, wanted, 3);
    EXPECT_EQ(taken.size(), static_cast<std::size_t>(std::min<std::int64_t>(wanted, 64)));
    for (std::size_t i = 1; i < taken.size(); ++i) EXPECT_LT(taken[i - 1], taken[i]);
    if (taken.size() < 2) continue;
    EXPECT_EQ(taken.front(), 0);
    EXPECT_EQ(taken.back(), 63);
  }
}

}  // namespace
}  // namespace thaw::microscope
