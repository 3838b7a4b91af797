// Three Adam steps of whole networks against real Keras in float64: losses, every gradient, every value afterwards.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/optimizer.h"
#include "tests/models/support.h"

namespace thaw {
namespace {

constexpr int kBatch = 8;
constexpr int kClasses = 5;
constexpr double kLearningRate = 1e-4;

struct TrainingCase {
  const char* file;
  const char* model;
  const char* selector;
};

/// L2 norm, sum, first and last element, as the files have them.
struct Summary {
  double l2 = 0, sum = 0, first = 0, last = 0, magnitude = 0;
};

Summary summary_of(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_doubles();
  Summary out{.first = values.front(), .last = values.back()};
  for (const double v : values) {
    out.l2 += v * v;
    out.sum += v;
    out.magnitude += std::abs(v);
  }
  out.l2 = std::sqrt(out.l2);
  return out;
}

/// One step without the update; returns the mean loss.
double differentiate(const Network& network, std::uint64_t step) {
  Tape tape;
  Context ctx = test::context_of(network, Dtype::f64);
  ctx.tape = &tape;
  ctx.training = true;
  ctx.step = step;
  std::vector<std::int32_t> labels(kBatch);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i) % kClasses;
  const Tensor sums = make_loss_sums(ctx.backend);
  softmax_cross_entropy(ctx, network.forward(ctx, test::synthetic_pixels(network, kBatch)),
                        Tensor::from_labels(ctx.backend, labels), sums);
  tape.backward();
  return read_loss_sums(sums).loss / kBatch;
}

void expect_near(double found, double expected, double scale, double relative, const std::string& what) {
  EXPECT_NEAR(found, expected, relative * std::max(std::abs(expected), scale)) << what;
}

/// A bias (or a beta) in front of a norm on batch statistics has no gradient but rounding noise, which Adam turns into
/// steps of any size up to the learning rate: neither can be compared.
constexpr double kNoise = 1e-10;

bool is_noise(const test::CsvRow& variable) {
  const std::string gradient = test::field(variable, "grad1_l2");
  return !gradient.empty() && std::stod(gradient) < kNoise;
}

void expect_gradients(ParameterStore& parameters, const std::vector<test::CsvRow>& variables) {
  for (const test::CsvRow& variable : variables) {
    const std::string name = test::field(variable, "variable");
    const Tensor gradient = parameters.find(name)->gradient();
    ASSERT_EQ(gradient.defined(), !test::field(variable, "grad1_l2").empty()) << name;
    if (!gradient.defined()) continue;
    const Summary found = summary_of(gradient);
    if (is_noise(variable)) {
      EXPECT_LT(found.l2, kNoise) << name;
      continue;
    }
    expect_near(found.l2, std::stod(test::field(variable, "grad1_l2")), 0, 1e-8, name + " gradient's norm");
    expect_near(found.sum, std::stod(test::field(variable, "grad1_sum")), found.magnitude, 1e-8,
                name + " gradient's sum");
  }
}

void expect_values(ParameterStore& parameters, const std::vector<test::CsvRow>& variables, double tolerance) {
  for (const test::CsvRow& variable : variables) {
    const std::string name = test::field(variable, "variable");
    if (is_noise(variable)) continue;
    const Summary found = summary_of(parameters.find(name)->value());
    expect_near(found.l2, std::stod(test::field(variable, "post_l2")), 0, tolerance, name + " norm after 3 steps");
    expect_near(found.sum, std::stod(test::field(variable, "post_sum")), found.magnitude, tolerance,
                name + " sum after 3 steps");
  }
}

class TrainingGolden : public testing::TestWithParam<TrainingCase> {};

TEST_P(TrainingGolden, KerasLossesGradientsAndVariablesAreReproduced) {
  const TrainingCase& c = GetParam();
  const std::string steps_path_name = fmt::format("golden/{}.json", c.file);
  const auto steps_path = test::keras_facts(steps_path_name);
  if (!steps_path) GTEST_SKIP() << test::without_facts(steps_path_name);
  const std::string variables_path_name = fmt::format("golden/{}_vars.csv", c.file);
  const auto variables_path = test::keras_facts(variables_path_name);
  if (!variables_path) GTEST_SKIP() << test::without_facts(variables_path_name);
  const auto golden = nlohmann::json::parse(std::ifstream(*steps_path));
  const auto variables = test::read_csv(*variables_path);
  const auto network =
      test::reference_model(c.model, {.size = 64, .head = {.classes = kClasses}, .master = Dtype::f64});
  test::fill_synthetic(*network);
  apply_selection(*network, select_layers(*network, c.selector), NormMode::train);
  ASSERT_EQ(network->parameters.trainable().size(), golden["n_trainable_tensors"].get<std::size_t>());
  ASSERT_EQ(variables.size(), network->parameters.all().size());

  const auto optimizer = make_adam();
  for (int step = 1; step <= 3; ++step) {
    network->parameters.clear_gradients();
    const double loss = differentiate(*network, static_cast<std::uint64_t>(step));
    const auto& expected = golden["steps"][static_cast<std::size_t>(step - 1)];
    // The first step is a function of the weights alone; later ones carry Adam's sign-like treatment of noise.
    expect_near(loss, expected["loss_from_logits"].get<double>(), 0, step == 1 ? 1e-9 : 1e-4,
                fmt::format("loss of step {}", step));
    if (step == 1) expect_gradients(network->parameters, variables);
    optimizer->step(network->parameters.trainable(), kLearningRate);
  }
  expect_values(network->parameters, variables, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Keras, TrainingGolden,
    testing::Values(TrainingCase{"train_mobilenet_v3_large_64_b8_N150", "mobilenet_v3_large", "layer:150"},
                    TrainingCase{"train_mobilenet_v3_large_64_b8_N0", "mobilenet_v3_large", "layer:0"},
                    TrainingCase{"train_resnet50_64_b8_N0", "resnet50", "layer:0"}),
    [](const auto& test_case) { return std::string(test_case.param.file); });

}  // namespace
}  // namespace thaw
