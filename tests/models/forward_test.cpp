// What the networks compute: shapes at any size, one report a row, and Keras' own numbers.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/models/support.h"

namespace thaw {
namespace {

/// Every report of a traced forward pass.
struct Report {
  std::string layer;
  Shape shape;
  std::vector<double> values;
};

std::vector<Report> trace(const Network& network, int n, Dtype dtype) {
  std::vector<Report> reports;
  Context ctx = test::context_of(network, dtype);
  ctx.observer = [&reports](std::string_view layer, const Tensor& output, double scale) {
    reports.push_back({std::string(layer), output.shape(), output.to_doubles()});
    for (double& value : reports.back().values) value *= scale;
  };
  network.forward(ctx, test::synthetic_pixels(network, n));
  return reports;
}

/// The reports cover the network's rows: each exactly once, with the row's shape.
void expect_reports_of_all_rows(const Network& network, const std::vector<Report>& reports) {
  std::map<std::string, Shape> shapes;
  for (const Report& report : reports) {
    EXPECT_TRUE(shapes.emplace(report.layer, report.shape).second) << report.layer << " was reported twice";
  }
  for (const LayerInfo& row : network.layers.rows()) {
    ASSERT_TRUE(shapes.contains(row.name)) << row.name << " was not reported";
    EXPECT_EQ(test::shape_text(shapes[row.name]), "1x" + test::shape_text(row.output)) << row.name;
    shapes.erase(row.name);
  }
  EXPECT_TRUE(shapes.empty()) << shapes.begin()->first << " is no row";
}

struct SizeCase {
  const char* model;
  int size;
  int output;
  int channels;
};

class Sizes : public testing::TestWithParam<SizeCase> {};

TEST_P(Sizes, GiveLogitsAndRowsThatFit) {
  const SizeCase& c = GetParam();
  const auto network = test::reference_model(c.model, {.size = c.size, .head = {.classes = 5}, .seed = 3});
  const auto last_base = std::find_if(network->layers.rows().rbegin(), network->layers.rows().rend(),
                                      [](const LayerInfo& row) { return !row.head; });
  EXPECT_EQ(last_base->output, (Shape{c.output, c.output, c.channels}));
  Context ctx = test::context_of(*network, Dtype::f32);
  const Var x = network->input(ctx, test::synthetic_pixels(*network, 1));
  const Var features = network->forward(ctx, x, 0, network->stages.size() - 2);
  EXPECT_EQ(features.shape(), (Shape{1, c.output, c.output, c.channels}));
  const Var logits = network->forward(ctx, features, network->stages.size() - 2, network->stages.size());
  EXPECT_EQ(logits.shape(), (Shape{1, 5}));
  for (const double value : logits.value().to_doubles()) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(Sizes, ReportEveryRowOnce) {
  const SizeCase& c = GetParam();
  const auto network =
      test::reference_model(c.model, {.size = c.size, .head = {.classes = 5, .hidden = {8}, .dropout = 0.5}});
  expect_reports_of_all_rows(*network, trace(*network, 1, Dtype::f32));
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, Sizes,
    testing::Values(SizeCase{"resnet50", 32, 1, 2048}, SizeCase{"resnet50", 64, 2, 2048},
                    SizeCase{"resnet50", 97, 4, 2048}, SizeCase{"mobilenet_v3_large", 32, 1, 960},
                    SizeCase{"mobilenet_v3_large", 64, 2, 960}, SizeCase{"mobilenet_v3_large", 97, 4, 960},
                    SizeCase{"mobilenet_v3_small", 32, 1, 576}, SizeCase{"mobilenet_v3_small", 64, 2, 576},
                    SizeCase{"mobilenet_v3_small", 97, 4, 576}),
    [](const auto& test_case) { return fmt::format("{}_{}", test_case.param.model, test_case.param.size); });

class Networks : public testing::TestWithParam<const char*> {};

TEST_P(Networks, WithTopReportsEveryRowOnceAndProbabilitiesLast) {
  const auto network = test::reference_model(GetParam(), {.size = 32, .head = {.include_top = true}});
  test::fill_synthetic(*network);
  const auto reports = trace(*network, 1, Dtype::f32);
  expect_reports_of_all_rows(*network, reports);
  ASSERT_EQ(reports.back().layer, "predictions");
  double sum = 0;
  for (const double p : reports.back().values) sum += p;
  EXPECT_NEAR(sum, 1.0, 1e-5);
}

TEST_P(Networks, ComputesTheSameFoldedAsLayerByLayer) {
  const auto network =
      test::reference_model(GetParam(), {.size = 45, .head = {.classes = 5, .hidden = {7}}, .master = Dtype::f64});
  test::fill_synthetic(*network);
  Context ctx = test::context_of(*network, Dtype::f64);
  const auto folded = network->forward(ctx, test::synthetic_pixels(*network, 2)).value().to_doubles();
  const auto layered = trace(*network, 2, Dtype::f64).back().values;
  ASSERT_EQ(folded.size(), layered.size());
  for (std::size_t i = 0; i < folded.size(); ++i) {
    EXPECT_NEAR(folded[i], layered[i], 1e-9 * std::max(1.0, std::abs(layered[i])));
  }
}

TEST_P(Networks, FoldsAgainAfterAWeightChanged) {
  const auto network = test::reference_model(GetParam(), {.size = 32, .head = {.classes = 2}, .master = Dtype::f64});
  test::fill_synthetic(*network);
  Context ctx = test::context_of(*network, Dtype::f64);
  const Tensor pixels = test::synthetic_pixels(*network, 1);
  const auto before = network->forward(ctx, pixels).value().to_doubles();
  Parameter* mean = network->stages.front().norms.front()->moving_mean;
  mean->assign(std::vector<float>(static_cast<std::size_t>(mean->count()), 2.5F));
  const auto after = network->forward(ctx, pixels).value().to_doubles();
  EXPECT_NE(before, after);
  const auto layered = trace(*network, 1, Dtype::f64).back().values;
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_NEAR(after[i], layered[i], 1e-9 * std::max(1.0, std::abs(layered[i])));
  }
}

INSTANTIATE_TEST_SUITE_P(Zoo, Networks, testing::Values("resnet50", "mobilenet_v3_large", "mobilenet_v3_small"),
                         [](const auto& test_case) { return std::string(test_case.param); });

/// Count, mean, population deviation, largest magnitude and four elements, as the golden files have them.
struct Summary {
  std::vector<double> values;
  double absmax = 0;
};

Summary summary_of(const std::vector<double>& values) {
  const std::size_t n = values.size();
  double sum = 0;
  double absmax = 0;
  for (const double v : values) {
    sum += v;
    absmax = std::max(absmax, std::abs(v));
  }
  const double mean = sum / static_cast<double>(n);
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(n));
  return {{mean, deviation, absmax, values.front(), values[n / 3], values[2 * n / 3], values.back()}, absmax};
}

struct GoldenCase {
  const char* file;
  const char* model;
  int size;
  int batch;
};

class Golden : public testing::TestWithParam<GoldenCase> {};

TEST_P(Golden, KerasNumbersAreReproducedLayerByLayerInDoublePrecision) {
  const GoldenCase& c = GetParam();
  const std::string path_name = fmt::format("golden/{}.csv", c.file);
  const auto path = test::keras_facts(path_name);
  if (!path) GTEST_SKIP() << test::without_facts(path_name);
  const auto network = test::reference_model(c.model, {.size = c.size, .master = Dtype::f64});
  test::fill_synthetic(*network);
  std::map<std::string, std::vector<double>> outputs;
  for (Report& report : trace(*network, c.batch, Dtype::f64)) outputs[report.layer] = std::move(report.values);

  constexpr const char* kColumns[] = {"mean", "std_pop", "absmax", "v_first", "v_n/3", "v_2n/3", "v_last"};
  const auto facts = test::read_csv(*path);
  EXPECT_EQ(facts.size(), network->layers.rows().size());
  for (const auto& fact : facts) {
    const std::string layer = test::field(fact, "layer");
    ASSERT_EQ(static_cast<std::int64_t>(outputs[layer].size()), test::number(fact, "count")) << layer;
    const Summary found = summary_of(outputs[layer]);
    for (std::size_t i = 0; i < std::size(kColumns); ++i) {
      const double expected = std::stod(test::field(fact, kColumns[i]));
      // The files carry nine digits, which is half a unit of 1e-9 of the leading digit at worst 5e-9 relative.
      EXPECT_NEAR(found.values[i], expected, 5.1e-9 * std::abs(expected) + 1e-9 * found.absmax)
          << layer << " " << kColumns[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, Golden,
                         testing::Values(GoldenCase{"infer_mobilenet_v3_small_64_b2", "mobilenet_v3_small", 64, 2},
                                         GoldenCase{"infer_mobilenet_v3_large_224_b1", "mobilenet_v3_large", 224, 1},
                                         GoldenCase{"infer_resnet50_64_b2", "resnet50", 64, 2},
                                         GoldenCase{"infer_resnet50_224_b1", "resnet50", 224, 1}),
                         [](const auto& test_case) { return std::string(test_case.param.file); });

}  // namespace
}  // namespace thaw
