#include "kernels/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/error.h"

namespace thaw::tests {

namespace {

void expect_rejected(const std::string& text, const std::string& reason) {
  try {
    ConvProblem::parse(text);
    FAIL() << "'" << text << "' was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), testing::HasSubstr(reason)) << text;
  }
}

}  // namespace

TEST(ConvProblemText, ReadsBackEveryCombinationOfItsParts) {
  int read = 0;
  for (const Pad& pad : {Pad{}, pad_all(3), Pad{0, 1, 0, 1}, Pad{1, 2, 3, 4}}) {
    for (const Act act : {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid}) {
      for (const Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::f64}) {
        for (int flags = 0; flags < 16; ++flags) {
          const ConvProblem problem{.n = 32,
                                    .c = 64,
                                    .h = 56,
                                    .w = 55,
                                    .k = 128,
                                    .r = 3,
                                    .s = 5,
                                    .stride = (flags & 1) != 0 ? 2 : 1,
                                    .pad = pad,
                                    .groups = (flags & 2) != 0 ? 4 : 1,
                                    .bias = (flags & 4) != 0,
                                    .residual = (flags & 8) != 0,
                                    .act = act,
                                    .dtype = dtype};
          EXPECT_EQ(ConvProblem::parse(problem.text()), problem) << problem.text();
          ++read;
        }
      }
    }
  }
  EXPECT_EQ(read, 4 * 5 * 3 * 16);
}

TEST(ConvProblemText, LooksAsDocumented) {
  EXPECT_EQ(ConvProblem::parse("n32c64h56w56_k128r3s3u2p1+bias+residual+relu:bf16").text(),
            "n32c64h56w56_k128r3s3u2p1+bias+residual+relu:bf16");
  EXPECT_EQ(ConvProblem::parse("n1c16h9w9_k16r3s3g16u2p0.1.0.1").text(), "n1c16h9w9_k16r3s3g16u2p0.1.0.1:f32");
}

TEST(ConvProblemText, RejectsWhatIsNoProblemAndSaysWhereItStopped) {
  expect_rejected("", "stopped at ''");
  expect_rejected("n32c64h56_k128r3s3", "stopped at '_k128r3s3'");
  expect_rejected("n-1c64h56w56_k128r3s3", "stopped at '-1c64");
  expect_rejected("n1c1h9w9_k1r3s3p1.2", "stopped at ''");
  expect_rejected("n1c1h9w9_k1r3s3+gelu", "stopped at 'gelu'");
  expect_rejected("n1c1h9w9_k1r3s3:f16", "stopped at 'f16'");
  expect_rejected("n1c1h9w9_k1r3s3:f32 ", "stopped at ' '");
  expect_rejected("n99999999999c1h9w9_k1r3s3", "stopped at '99999999999");
}

TEST(ConvProblemText, RejectsImpossibleSizesAndSaysWhy) {
  expect_rejected("n0c1h9w9_k1r3s3", "at least 1");
  expect_rejected("n1c6h9w9_k4r3s3g4", "divisible by the groups");
  expect_rejected("n1c1h2w9_k1r3s3", "larger than the padded input");
  expect_rejected("n1c1h9w9_k1r3s3p1999999999", "no size or padding may be above");
  expect_rejected("n99999c9999h9999w9_k1r1s1", "elements each");
}

TEST(PadSame, PutsTheOddPixelAtTheEndAsTensorFlowDoes) {
  EXPECT_EQ(pad_same(224, 224, 3, 3, 2), (Pad{0, 1, 0, 1}));
  EXPECT_EQ(pad_same(7, 7, 5, 5, 2), (Pad{2, 2, 2, 2}));
  EXPECT_EQ(pad_same(112, 112, 5, 5, 2), (Pad{1, 2, 1, 2}));
  EXPECT_EQ(pad_same(14, 14, 3, 3, 1), (Pad{1, 1, 1, 1}));
  EXPECT_EQ(pad_same(225, 224, 3, 3, 2), (Pad{1, 1, 0, 1}));
  EXPECT_EQ(pad_same(8, 8, 1, 1, 2), (Pad{0, 0, 0, 0})) << "a window smaller than the stride needs none";
}

TEST(PadSame, MakesTheOutputTheInputDividedByTheStrideRoundedUp) {
  for (int size = 1; size < 40; ++size) {
    for (const int kernel : {1, 2, 3, 5, 7}) {
      for (const int stride : {1, 2, 3}) {
        const ConvProblem problem{.h = size,
                                  .w = size,
                                  .r = kernel,
                                  .s = kernel,
                                  .stride = stride,
                                  .pad = pad_same(size, size, kernel, kernel, stride)};
        EXPECT_EQ(problem.p(), (size + stride - 1) / stride) << problem.text();
      }
    }
  }
}

TEST(ConvProblem, KnowsTheStemOfResNet50) {
  const ConvProblem stem = ConvProblem::parse("n1c3h224w224_k64r7s7u2p3");
  EXPECT_EQ(stem.p(), 112);
  EXPECT_EQ(stem.q(), 112);
  EXPECT_EQ(stem.filter_size(), 9408);
  EXPECT_DOUBLE_EQ(stem.flops(), 2.0 * 118013952);
  EXPECT_DOUBLE_EQ(stem.bytes(), 4.0 * (224 * 224 * 3 + 112 * 112 * 64 + 9408));
}

TEST(ConvProblem, CountsOneFilterAChannelWhereItIsDepthwise) {
  const ConvProblem problem = ConvProblem::parse("n2c72h28w28_k72r5s5g72u2p1.2.1.2:bf16");
  EXPECT_TRUE(problem.depthwise());
  EXPECT_EQ(problem.filter_size(), 25 * 72);
  EXPECT_DOUBLE_EQ(problem.flops(), 2.0 * 2 * 14 * 14 * 72 * 25);
  EXPECT_DOUBLE_EQ(problem.bytes(), 2.0 * (2 * 28 * 28 * 72 + 2 * 14 * 14 * 72) + 4.0 * 25 * 72);
}

TEST(ConvProblem, IsNotDepthwiseWithOneChannelOrSeveralFiltersAChannel) {
  EXPECT_FALSE(ConvProblem::parse("n1c1h9w9_k1r3s3").depthwise());
  EXPECT_FALSE(ConvProblem::parse("n1c4h9w9_k8r3s3g4").depthwise());
}

TEST(PoolProblem, RejectsAWindowThatDoesNotFit) {
  EXPECT_THROW((PoolProblem{.h = 1, .w = 4, .r = 2, .s = 2}.check()), Error);
  EXPECT_NO_THROW((PoolProblem{.h = 1, .w = 4, .r = 2, .s = 2, .pad = {0, 1, 0, 0}}.check()));
}

TEST(ProblemTexts, NameTheirParts) {
  EXPECT_EQ((NormProblem{.rows = 98, .c = 24, .training = true, .residual = true, .act = Act::relu}.text()),
            "norm_rows98c24+training+residual+relu:f32");
  EXPECT_EQ((PoolProblem{.n = 2, .c = 64, .h = 112, .w = 112, .r = 3, .s = 3, .pad = pad_all(1)}.text()),
            "maxpool_n2c64h112w112_r3s3u2p1:f32");
  EXPECT_EQ((DenseProblem{.n = 5, .c = 576, .k = 5, .dtype = Dtype::bf16}.text()), "dense_n5c576k5+bias:bf16");
  EXPECT_EQ((ScaleProblem{.n = 2, .hw = 49, .c = 72}.text()), "scale_n2hw49c72:f32");
}

}  // namespace thaw::tests
