#include <cmath>

#include "tests/kernels/op_cases.h"

namespace thaw::tests {

namespace {

using Exactness = OpCase::Exactness;

// Kinds of ResNet50 (7x7 on photos, 1x1, strided 1x1, 3x3, with what is fused into them), at small sizes.
constexpr std::string_view kResNet[] = {
    "n2c3h30w30_k64r7s7u2p3+bias",  "n1c3h31w29_k64r7s7u2+bias+relu",  "n1c64h14w14_k64r1s1+bias",
    "n2c64h9w9_k256r1s1",           "n3c64h10w10_k64r3s3p1+bias",      "n2c256h8w8_k128r1s1u2+bias",
    "n2c256h7w9_k128r1s1u2",        "n1c512h4w4_k512r3s3p1",           "n3c64h2w3_k32r1s1u2+bias",
    "n4c32h1w1_k48r1s1u2",          "n5c128h6w6_k128r3s3p1+bias+relu", "n2c64h7w7_k256r1s1+bias+residual+relu",
    "n3c256h7w7_k64r1s1+bias+relu", "n1c1024h2w2_k2048r1s1u2+bias",    "n2c64h8w8_k128r3s3u2p1",
};

// Kinds of MobileNetV3: TensorFlow's one-sided padding, channels that are no multiple of 16, squeeze-excite.
constexpr std::string_view kMobileNet[] = {
    "n2c3h20w20_k16r3s3u2p0.1.0.1+bias+hard_swish",
    "n2c3h20w20_k16r3s3u2p0.1.0.1",
    "n3c3h21w21_k16r3s3u2p1",
    "n2c16h9w9_k64r1s1+bias+relu",
    "n2c24h7w7_k72r1s1",
    "n3c72h5w5_k40r1s1+bias+residual",
    "n2c40h6w6_k240r1s1+bias+hard_swish",
    "n2c184h5w5_k80r1s1+bias+residual",
    "n1c200h5w5_k80r1s1",
    "n5c80h4w4_k184r1s1+bias+hard_swish",
    "n2c80h4w4_k200r1s1",
    "n5c72h1w1_k24r1s1+bias+relu",
    "n5c24h1w1_k72r1s1+bias+hard_sigmoid",
    "n1c960h1w1_k240r1s1+bias+relu",
};

// What a general convolution must also do.
constexpr std::string_view kOdd[] = {
    "n1c1h1w1_k1r1s1",     "n2c8h6w6_k12r3s3g2p1+bias",      "n2c32h5w5_k64r1s1g2", "n1c6h7w7_k6r3s3g3u2p1+bias+relu6",
    "n2c4h5w5_k8r3s3g4p1", "n1c5h9w7_k3r5s3u2p1.2.0.1+bias", "n2c7h5w6_k9r3s3p2",   "n1c17h8w8_k19r3s3u3p1+residual",
    "n2c3h6w6_k5r2s2u2",
};

constexpr std::string_view kDepthwise[] = {
    "n2c16h8w8_k16r3s3g16p1",
    "n2c16h8w8_k16r3s3g16p1+bias+relu",
    "n2c72h10w10_k72r3s3g72u2p0.1.0.1",
    "n3c72h9w9_k72r3s3g72u2p1+bias",
    "n2c24h12w12_k24r5s5g24u2p1.2.1.2",
    "n1c96h7w7_k96r5s5g96u2p2+bias+hard_swish",
    "n2c40h7w7_k40r5s5g40p2+bias+hard_swish",
    "n5c200h7w7_k200r3s3g200p1+bias+residual+relu",
    "n2c184h5w6_k184r3s3g184p1+bias+relu6",
    "n5c5h4w3_k5r3s3g5p1",
    "n1c17h3w3_k17r5s5g17p2+residual",
    "n2c3h11w6_k3r3s3g3u2p0.1.0.1",
    "n1c8h9w9_k8r7s7g8p3",
    "n1c672h4w4_k672r5s5g672u2p1.2.1.2+bias",
    "n2c33h40w5_k33r3s3g33p1",
};

/// Whether a backend may compute it after Winograd with 4x4 outputs a tile, whose error is far below bf16's rounding
/// but not zero on whole numbers.
bool is_rounded_on_whole_numbers(const ConvProblem& p) {
  return p.dtype == Dtype::bf16 && p.r == 3 && p.s == 3 && p.stride == 1 && p.groups == 1 && p.c % 16 == 0;
}

}  // namespace

void run_conv(OpRun& run, ConvProblem problem) {
  problem.dtype = run.dtype();
  Backend& backend = run.backend();
  // Real filters are drawn so that outputs are about 1, whatever the number of terms.
  const double limit = 1.7 / std::sqrt(double{1} * problem.r * problem.s * problem.c / problem.groups);
  ConvForward args;
  args.x = run.input(Role::activation, "x", problem.input_size());
  args.w = run.input(Role::weight, "w", problem.filter_size(), {-limit, limit});
  if (problem.bias) args.bias = run.input(Role::master, "bias", problem.k);
  if (problem.residual) args.residual = run.input(Role::activation, "residual", problem.output_size());
  args.y = run.output(Role::activation, "y", problem.output_size());
  backend.conv_forward(problem, args);

  ConvProblem other_batch = problem;
  other_batch.n = problem.n + 1;
  const auto packed = backend.pack_conv(other_batch, args.w, args.bias);
  const ConvForward unweighted{
      .x = args.x, .residual = args.residual, .y = run.output(Role::activation, "packed y", problem.output_size())};
  backend.conv_forward_packed(problem, *packed, unweighted);

  const void* dy = run.input(Role::activation, "dy", problem.output_size());
  backend.conv_backward_data(problem, args.w, dy, run.output(Role::activation, "dx", problem.input_size()));
  void* dbias = problem.bias ? run.output(Role::master, "dbias", problem.k) : nullptr;
  backend.conv_backward_filter(problem, args.x, dy, run.output(Role::master, "dw", problem.filter_size()), dbias);
}

void add_conv_cases(Dtype dtype, std::vector<OpCase>& cases) {
  const auto add = [&](std::string_view family, std::string_view text) {
    ConvProblem problem = ConvProblem::parse(text);
    problem.dtype = dtype;
    const bool linear = (problem.act == Act::linear || problem.act == Act::relu || problem.act == Act::relu6) &&
                        !is_rounded_on_whole_numbers(problem);
    cases.push_back({std::string(family), problem.text(), linear ? Exactness::integers : Exactness::never,
                     [problem](OpRun& run) { run_conv(run, problem); }});
  };
  for (const auto text : kResNet) add("conv", text);
  for (const auto text : kMobileNet) add("conv", text);
  for (const auto text : kOdd) add("conv", text);
  for (const auto text : kDepthwise) add("depthwise", text);
}

}  // namespace thaw::tests
