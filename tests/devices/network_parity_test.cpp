// Whole networks on every usable device against the reference backend in f64: forward, gradients, some steps of
// training.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <ostream>

#include "framework/optimizer.h"
#include "tests/models/support.h"

namespace thaw {
namespace {

constexpr int kClasses = 5;
constexpr double kLearningRate = 1e-4;

struct Case {
  std::string device;
  std::string model;
  std::string selector;
  NormMode norms;
  Dtype dtype;
  int size;
  int batch;
  double gradient_tolerance;  ///< of a gradient's difference against its own size, both L2
  double loss_tolerance;      ///< relative, over the steps
};

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  return fmt::format("{}_{}_{}_{}", info.param.device, info.param.model, name_of(info.param.dtype),
                     info.param.norms == NormMode::train ? "train" : "inference");
}

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.device << ' ' << c.model; }

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const DeviceInfo& device : devices()) {
    if (!device.usable || device.backend == "reference") continue;
#ifdef THAW_ONLY_DEVICE
    if (device.backend != THAW_ONLY_DEVICE) continue;
#endif
    const std::string& name = device.backend;
    out.push_back({name, "mobilenet_v3_small", "blocks:5", NormMode::train, Dtype::f32, 64, 8, 1e-3, 1e-3});
    out.push_back({name, "mobilenet_v3_small", "blocks:3", NormMode::inference, Dtype::f32, 32, 2, 2e-4, 1e-5});
    out.push_back({name, "mobilenet_v3_large", "blocks:3", NormMode::inference, Dtype::f32, 32, 2, 2e-4, 1e-5});
    out.push_back({name, "resnet50", "blocks:2", NormMode::inference, Dtype::f32, 32, 2, 2e-3, 1e-4});
    if (!make_backend(name)->supports(Dtype::bf16)) continue;
    out.push_back({name, "mobilenet_v3_small", "blocks:3", NormMode::inference, Dtype::bf16, 32, 2, 0.1, 0.03});
  }
  return out;
}

/// A network under training on synthetic weights and pixels.
struct Training {
  Training(const std::shared_ptr<Backend>& backend, const Case& c, Dtype dtype)
      : batch(c.batch),
        network(build_model(c.model, backend,
                            {.size = c.size, .head = {.classes = kClasses}, .master = master_dtype(dtype)})),
        context(test::context_of(*network, dtype)),
        optimizer(make_adam()) {
    test::fill_synthetic(*network);
    apply_selection(*network, select_layers(*network, c.selector), c.norms);
  }

  /// One step without the update; returns the mean loss.
  double differentiate() {
    network->parameters.clear_gradients();
    Tape tape;
    Context ctx = context;
    ctx.tape = &tape;
    ctx.training = true;
    const Tensor pixels = test::synthetic_pixels(*network, batch);
    const Var x = network->input(ctx, pixels);
    std::vector<std::int32_t> labels;
    for (int i = 0; i < batch; ++i) labels.push_back(i % kClasses);
    const Tensor sums = make_loss_sums(ctx.backend);
    const Var logits = network->forward(ctx, x, 0, network->stages.size());
    softmax_cross_entropy(ctx, logits, Tensor::from_labels(ctx.backend, labels), sums);
    tape.backward();
    return read_loss_sums(sums).loss / batch;
  }
  void update() { optimizer->step(network->parameters.trainable(), kLearningRate); }

  int batch;
  std::unique_ptr<Network> network;
  Context context;
  std::unique_ptr<Optimizer> optimizer;
};

double relative_distance(const std::vector<double>& expected, const std::vector<double>& found) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (expected[i] - found[i]) * (expected[i] - found[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / std::max(size, 1e-20));
}

int steps() {
  const char* wanted = std::getenv("THAW_PARITY_STEPS");
  return wanted == nullptr ? 3 : std::atoi(wanted);
}

class NetworkParity : public testing::TestWithParam<Case> {};

TEST_P(NetworkParity, LossesAndGradientsAreTheReferences) {
  const Case& c = GetParam();
  Training reference(make_backend("reference", {.threads = 1}), c, Dtype::f64);
  Training run(make_backend(c.device, {.threads = 2}), c, c.dtype);
  for (int step = 0; step < steps(); ++step) {
    const double expected = reference.differentiate();
    EXPECT_NEAR(run.differentiate(), expected, expected * c.loss_tolerance) << "loss of step " << step + 1;
    if (step == 0) {
      const auto all = reference.network->parameters.trainable();
      double largest = 0;
      for (const auto& parameter : all) {
        for (const double g : parameter->gradient().to_doubles()) largest = std::max(largest, std::abs(g));
      }
      for (const auto& parameter : all) {
        const std::vector<double> wanted = parameter->gradient().to_doubles();
        const std::vector<double> found = run.network->parameters.find(parameter->name())->gradient().to_doubles();
        const double most = std::abs(*std::max_element(wanted.begin(), wanted.end(),
                                                       [](double a, double b) { return std::abs(a) < std::abs(b); }));
        if (most < 1e-6 * largest) continue;  // rounding noise in front of a norm on batch statistics
        EXPECT_LT(relative_distance(wanted, found), c.gradient_tolerance) << parameter->name();
      }
    }
    reference.update();
    run.update();
  }
}

TEST_P(NetworkParity, TwoRunsGiveTheSameBits) {
  const Case& c = GetParam();
  std::vector<std::vector<double>> values;
  for (int i = 0; i < 2; ++i) {
    Training run(make_backend(c.device, {.threads = i + 1}), c, c.dtype);
    for (int step = 0; step < (c.model == "resnet50" ? 1 : 2); ++step) {
      run.differentiate();
      run.update();
    }
    std::vector<double> all;
    for (const auto& parameter : run.network->parameters.trainable()) {
      for (const double v : parameter->value().to_doubles()) all.push_back(v);
    }
    values.push_back(std::move(all));
  }
  EXPECT_EQ(values[0], values[1]);
}

INSTANTIATE_TEST_SUITE_P(Devices, NetworkParity, testing::ValuesIn(cases()), name_of_case);

}  // namespace
}  // namespace thaw
