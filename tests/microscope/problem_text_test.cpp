#include <gtest/gtest.h>

#include <ostream>

#include "kernels/error.h"
#include "microscope/benchdnn.h"
#include "microscope/families.h"

namespace thaw::microscope {
namespace {

struct Reading {
  const char* text;
  const char* expected;  ///< thaw's text, or a part of the error
};

std::ostream& operator<<(std::ostream& out, const Reading& reading) { return out << reading.text; }

class Benchdnn : public testing::TestWithParam<Reading> {};

TEST_P(Benchdnn, IsReadWithItsDefaults) {
  EXPECT_EQ(parse_benchdnn(GetParam().text).problem.text(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, Benchdnn,
    testing::Values(Reading{"g1mb32ic64ih56oc64oh56kh3ph1n\"name\"", "n32c64h56w56_k64r3s3p1:f32"},
                    Reading{"ic64ih56oc64oh56kh3ph1", "n2c64h56w56_k64r3s3p1:f32"},  // two images
                    Reading{"ic3ih224oc64oh112kh7sh2ph3",
                            "n2c3h224w224_k64r7s7u2p3:f32"},                              // the far side is not reached
                    Reading{"mb1_ic16ih8_oc32oh8_kh1", "n1c16h8w8_k32r1s1:f32"},          // '_' says nothing
                    Reading{"ic8ih9oc8kh3", "n2c8h9w9_k8r3s3:f32"},                       // output and padding 0
                    Reading{"ic8ih9oc8kh3ph1", "n2c8h9w9_k8r3s3p1:f32"},                  // output
                    Reading{"ic8ih9oc8oh9kh3", "n2c8h9w9_k8r3s3p1:f32"},                  // padding from the output
                    Reading{"ic8ih8oc8oh4kh3sh2ph0", "n2c8h8w8_k8r3s3u2p0.1.0.1:f32"},    // the far side alone
                    Reading{"ic64ih56oc128oh28kh1sh2ph0", "n2c64h56w56_k128r1s1u2:f32"},  // pixels that are never read
                    Reading{"g16mb1ic16ih7oc16oh7kh5ph2", "n1c16h7w7_k16r5s5g16p2:f32"},
                    Reading{"g2ic8ih5oc6oh5kh3ph1", "n2c8h5w5_k6r3s3g2p1:f32"},
                    Reading{"ic4ih9iw7oc5oh9ow7kh5kw3ph2pw1", "n2c4h9w7_k5r5s3p2.2.1.1:f32"},
                    Reading{"ic4iw7oc5ow7kw3pw1", "n2c4h1w7_k5r1s3p0.0.1.1:f32"},  // one row
                    Reading{"ic4id1ih5oc5od1oh5kd1kh1", "n2c4h5w5_k5r1s1:f32"}));

class NotBenchdnn : public testing::TestWithParam<Reading> {};

TEST_P(NotBenchdnn, IsRefusedWithTheReason) {
  try {
    parse_benchdnn(GetParam().text);
    FAIL() << "was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string_view(error.what()).find(GetParam().expected), std::string_view::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Grammar, NotBenchdnn,
                         testing::Values(Reading{"mb1ic4id5ih5oc4od5oh5kd3kh3pd1ph1", "no depth axis"},
                                         Reading{"ic4ih9oc4oh5kh3dh1", "no dilation"},
                                         Reading{"ic4ih8iw8oc4oh4ow8kh1kw1sh2sw1", "one stride"},
                                         Reading{"ih5oc4kh3", "ic and oc are needed"},
                                         Reading{"ic4oc4", "ih and kh are needed"},
                                         Reading{"ic4ih5oc4", "ih and kh are needed"},
                                         Reading{"mb0ic4ih5oc4kh1", "mb must be at least 1"},
                                         Reading{"ic4ih5oc4kh7", "larger than the padded input"},
                                         Reading{"ic4ih99999999999oc4kh3", "stopped at"},
                                         Reading{"g3ic4ih5oc4kh1", "divisible by the groups"}));

TEST(Benchdnn, TheNameIsKept) {
  EXPECT_EQ(parse_benchdnn("ic1ih1oc1kh1n\"resnet_50:conv1*2\"").name, "resnet_50:conv1*2");
}

TEST(ProblemText, EveryFamilysExampleReadsBackToItselfAndMakesACaseInEveryDirection) {
  for (const Family& family : families()) {
    const std::string once = family.canonical(family.example, {.standard = Dtype::bf16});
    EXPECT_EQ(family.canonical(once, {}), once) << family.name;
    for (const std::string& direction : family.directions_of(once)) {
      const Case subject = family.make(once, direction);
      EXPECT_EQ(subject.problem, once);
      EXPECT_GT(subject.bytes, 0) << once << " " << direction;
      EXPECT_GT(subject.extent, 0) << once << " " << direction;
    }
  }
}

TEST(ProblemText, ATypeIsTheTextsUnlessItIsAskedFor) {
  const Family& conv = family("conv");
  EXPECT_EQ(conv.canonical("n1c1h1w1_k1r1s1:f32", {.standard = Dtype::bf16}), "n1c1h1w1_k1r1s1:f32");
  EXPECT_EQ(conv.canonical("n1c1h1w1_k1r1s1", {.standard = Dtype::bf16}), "n1c1h1w1_k1r1s1:bf16");
  EXPECT_EQ(conv.canonical("n1c1h1w1_k1r1s1:f32", {.dtype = Dtype::bf16}), "n1c1h1w1_k1r1s1:bf16");
  EXPECT_EQ(conv.canonical("n1c1h1w1_k1r1s1", {.batch = 8}), "n8c1h1w1_k1r1s1:f32");
}

TEST(ProblemText, ADepthwiseShorthandIsPaddedAsTensorFlowDoes) {
  const Family& depthwise = family("depthwise");
  EXPECT_EQ(depthwise.canonical("n2c72h28w28_r5u2", {}), "n2c72h28w28_k72r5s5g72u2p1.2.1.2:f32");
  EXPECT_EQ(depthwise.canonical("n2c16h7w7_r3p1:bf16", {}), "n2c16h7w7_k16r3s3g16p1:bf16");
  EXPECT_THROW(depthwise.canonical("n2c16h7w7_k32r3s3p1", {}), Error);
}

TEST(ProblemText, WhatIsNoProblemIsAUsageError) {
  const std::pair<const char*, const char*> rows[] = {{"norm", "rows10"},
                                                      {"norm", "rows10c0"},
                                                      {"norm", "rows10c4+train"},
                                                      {"pool", "n1c1h5w5_r2s2"},
                                                      {"pool", "maxpool_n1c1h2w2_r2s2u1p2"},
                                                      {"dense", "n1c1"},
                                                      {"adam", "0"},
                                                      {"adam", "5x"},
                                                      {"adam", "99999999x1"},
                                                      {"pointwise", "act_tanh_count5"},
                                                      {"pointwise", "add_count"},
                                                      {"pointwise", "mul_count5"},
                                                      {"pointwise", "cast_f32_to_u8_count5"},
                                                      {"conv", "n1c1h1w1"},
                                                      {"depthwise", "n1c1h5w5"},
                                                      {"norm", ""}};
  for (const auto& [name, text] : rows) {
    try {
      family(name).canonical(text, {});
      ADD_FAILURE() << name << " read '" << text << "'";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage) << name << " " << text;
    }
  }
}

}  // namespace
}  // namespace thaw::microscope
