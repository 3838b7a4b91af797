// The rows of every model against Keras' own layer lists, and against counts that need no file.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/error.h"
#include "models/weight_spec.h"
#include "tests/models/support.h"

namespace thaw {
namespace {

struct Counts {
  const char* model;
  std::size_t base_rows;
  std::size_t rows_with_top;
  std::size_t weighted;
  std::size_t tensors;
  std::int64_t parameters;
  std::int64_t statistics;
  std::int64_t parameters_with_top;
  const char* output;
};

// From keras.applications with include_top off and on, at 224 pixels.
constexpr Counts kCounts[] = {
    {"resnet50", 175, 177, 106, 318, 23587712, 53120, 25636712, "7x7x2048"},
    {"mobilenet_v3_large", 187, 194, 108, 262, 2996352, 24400, 5507432, "7x7x960"},
    {"mobilenet_v3_small", 157, 164, 86, 206, 939120, 12112, 2554968, "7x7x576"},
};

class Models : public testing::TestWithParam<Counts> {
 protected:
  static const char* name() { return GetParam().model; }
};

std::int64_t count_of(const Network& network, bool statistics_only) {
  std::int64_t count = 0;
  for (const Parameter& p : network.parameters.all()) {
    if (!statistics_only || p.kind() == ParameterKind::statistic) count += p.count();
  }
  return count;
}

TEST_P(Models, HaveKerasCountsOfLayersAndParameters) {
  const auto network = test::reference_model(name(), {});
  const auto& rows = network->layers.rows();
  EXPECT_EQ(rows.size(), GetParam().base_rows);
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(), [](const auto& r) { return !r.parameters.empty(); }),
            static_cast<std::ptrdiff_t>(GetParam().weighted));
  EXPECT_EQ(network->parameters.all().size(), GetParam().tensors);
  EXPECT_EQ(count_of(*network, false), GetParam().parameters);
  EXPECT_EQ(count_of(*network, true), GetParam().statistics);
  EXPECT_EQ(test::shape_text(rows.back().output), GetParam().output);
}

TEST_P(Models, WithTopHaveKerasCountsOfLayersAndParameters) {
  const auto network = test::reference_model(name(), {.head = {.include_top = true}});
  EXPECT_EQ(network->layers.rows().size(), GetParam().rows_with_top);
  EXPECT_EQ(count_of(*network, false), GetParam().parameters_with_top);
  EXPECT_EQ(network->layers.rows().back().name, "predictions");
  EXPECT_EQ(network->classes, 1000);
}

TEST_P(Models, GiveEveryParameterToOneStage) {
  const auto network = test::reference_model(name(), {.head = {.classes = 5, .hidden = {16}}});
  std::vector<const Parameter*> of_stages;
  std::size_t norms = 0;
  for (const Stage& stage : network->stages) {
    of_stages.insert(of_stages.end(), stage.parameters.begin(), stage.parameters.end());
    norms += stage.norms.size();
  }
  std::vector<const Parameter*> all;
  for (const Parameter& p : network->parameters.all()) all.push_back(&p);
  EXPECT_EQ(of_stages, all);
  const auto& rows = network->layers.rows();
  EXPECT_EQ(norms, static_cast<std::size_t>(std::count_if(
                       rows.begin(), rows.end(), [](const auto& r) { return r.type == "BatchNormalization"; })));
}

TEST_P(Models, NameTheirStagesAsTheirBlocks) {
  const auto network = test::reference_model(name(), {});
  std::vector<std::string> blocks;
  for (const LayerInfo& row : network->layers.rows()) {
    if (blocks.empty() || blocks.back() != row.block) blocks.push_back(row.block);
  }
  std::vector<std::string> stages;
  for (const Stage& stage : network->stages) stages.push_back(stage.name);
  EXPECT_EQ(stages, blocks);
}

TEST_P(Models, CountTwoOperationsForEveryTapOfEveryOutputPixel) {
  const auto network = test::reference_model(name(), {.head = {.classes = 5}});
  for (const LayerInfo& row : network->layers.rows()) {
    double expected = 0;
    const bool convolves = row.type == "Conv2D" || row.type == "DepthwiseConv2D";
    if (convolves) {
      expected = 2.0 * static_cast<double>(row.output[0] * row.output[1] * row.parameters.front()->count());
    } else if (row.type == "Dense") {
      expected = 2.0 * static_cast<double>(row.parameters.front()->count());
    }
    EXPECT_EQ(row.flops, expected) << row.name;
  }
}

TEST_P(Models, HaveTheRowsOfKerasLayerList) {
  const std::string path_name = fmt::format("{}_layers.csv", name());
  const auto path = test::keras_facts(path_name);
  if (!path) GTEST_SKIP() << test::without_facts(path_name);
  const auto facts = test::read_csv(*path);
  const auto network = test::reference_model(name(), {});
  const auto& rows = network->layers.rows();
  ASSERT_EQ(rows.size(), facts.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::int64_t params = 0;
    std::int64_t trainable = 0;
    for (const Parameter* p : rows[i].parameters) {
      params += p->count();
      trainable += p->trainable() ? p->count() : 0;
    }
    EXPECT_EQ(test::number(facts[i], "index"), static_cast<std::int64_t>(i));
    EXPECT_EQ(rows[i].name, test::field(facts[i], "name")) << i;
    EXPECT_EQ(rows[i].type, test::field(facts[i], "type")) << rows[i].name;
    EXPECT_EQ(test::shape_text(rows[i].output), test::field(facts[i], "output_shape")) << rows[i].name;
    EXPECT_EQ(rows[i].block, test::field(facts[i], "block")) << rows[i].name;
    EXPECT_EQ(params, test::number(facts[i], "param_count")) << rows[i].name;
    EXPECT_EQ(trainable, test::number(facts[i], "trainable_params")) << rows[i].name;
  }
}

TEST_P(Models, DescribeTheirWeightsAsKerasFilesDo) {
  const std::string path_name = fmt::format("{}_layers.csv", name());
  const auto path = test::keras_facts(path_name);
  if (!path) GTEST_SKIP() << test::without_facts(path_name);
  const ModelSpec spec = weight_spec(*test::reference_model(name(), {}));
  std::size_t at = 0;
  for (const auto& fact : test::read_csv(*path)) {
    if (test::field(fact, "weights").empty()) continue;
    ASSERT_LT(at, spec.layers.size());
    const LayerSpec& layer = spec.layers[at++];
    EXPECT_EQ(layer.name, test::field(fact, "name"));
    EXPECT_EQ(layer.h5_layer, test::field(fact, "h5_layer_name"));
    std::string weights;
    std::string datasets;
    for (const TensorSpec& tensor : layer.tensors) {
      const std::string separator = weights.empty() ? "" : "; ";
      const std::string leaf = tensor.h5_dataset.substr(tensor.h5_dataset.rfind('/') + 1);
      weights += separator + leaf.substr(0, leaf.find(':')) + ":" + shape_text(tensor.keras_shape);
      datasets += fmt::format("{}/{}/{}", separator, layer.h5_layer, tensor.h5_dataset);
    }
    EXPECT_EQ(weights, test::field(fact, "weights")) << layer.name;
    EXPECT_EQ(datasets, test::field(fact, "h5_datasets")) << layer.name;
  }
  EXPECT_EQ(at, spec.layers.size());
}

INSTANTIATE_TEST_SUITE_P(Zoo, Models, testing::ValuesIn(kCounts),
                         [](const auto& test_case) { return std::string(test_case.param.model); });

std::string message_of(const std::string& model, const ModelOptions& options) {
  try {
    test::reference_model(model, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "no error";
}

TEST(Zoo, AnswersAnUnknownModelWithAllNamesAndTheNearest) {
  EXPECT_EQ(message_of("mobilenet_v3_smal", {}),
            "[models] there is no model 'mobilenet_v3_smal'; choose one of resnet50, mobilenet_v3_large, "
            "mobilenet_v3_small; did you mean 'mobilenet_v3_small'?");
}

TEST(Zoo, RefusesAnInputBelow32Pixels) {
  EXPECT_EQ(message_of("resnet50", {.size = 31}),
            "[models] an input of 31 pixels is too small: the size must be at least 32");
}

TEST(Zoo, RefusesImpossibleHeads) {
  EXPECT_NE(message_of("resnet50", {.head = {.classes = 1}}).find("at least 2 classes"), std::string::npos);
  EXPECT_NE(message_of("resnet50", {.head = {.classes = 5, .hidden = {0}}}).find("width of at least 1"),
            std::string::npos);
  EXPECT_NE(message_of("resnet50", {.head = {.classes = 5, .dropout = 1.0}}).find("[0, 1)"), std::string::npos);
  EXPECT_NE(message_of("resnet50", {.head = {.include_top = true, .classes = 5}}).find("include_top"),
            std::string::npos);
}

TEST(TransferHead, ListsHiddenLayersWithTheirDropout) {
  const auto network =
      test::reference_model("mobilenet_v3_small", {.head = {.classes = 5, .hidden = {64, 32}, .dropout = 0.3}});
  std::vector<std::string> found;
  for (const LayerInfo& row : network->layers.rows()) {
    if (row.head) found.push_back(fmt::format("{} {} {}", row.name, row.type, test::shape_text(row.output)));
  }
  const std::vector<std::string> expected = {"global_average_pooling2d GlobalAveragePooling2D 576",
                                             "head_dense Dense 64",
                                             "dropout Dropout 64",
                                             "head_dense_1 Dense 32",
                                             "dropout_1 Dropout 32",
                                             "head Dense 5"};
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(network->stages.back().random);
}

TEST(TransferHead, DropsInFrontOfTheClassifierWhereNothingIsHidden) {
  const auto network = test::reference_model("mobilenet_v3_small", {.head = {.classes = 5, .dropout = 0.3}});
  const auto& rows = network->layers.rows();
  EXPECT_EQ(rows[rows.size() - 2].name, "dropout");
  EXPECT_EQ(test::shape_text(rows[rows.size() - 2].output), "576");
  EXPECT_EQ(rows.back().name, "head");
}

}  // namespace
}  // namespace thaw
