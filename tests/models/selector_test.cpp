#include "models/selector.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/error.h"
#include "tests/models/support.h"

namespace thaw {
namespace {

class Selectors : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { network_ = test::reference_model(GetParam(), {.size = 32, .head = {.classes = 5}}); }

  std::int64_t base_trainable() const {
    std::int64_t count = 0;
    for (const LayerInfo& row : network_->layers.rows()) {
      for (const Parameter* p : row.parameters) count += p->trainable() && !row.head ? p->count() : 0;
    }
    return count;
  }

  std::unique_ptr<Network> network_;
};

/// What a row of the map says about the rows that are selected.
void expect_rows(const Network& network, const Selection& selection, const SelectorOptions& options,
                 const test::CsvRow& fact) {
  const auto counted = counted_rows(network, options);
  ASSERT_EQ(static_cast<std::int64_t>(counted.size()), test::number(fact, "layers_total"));
  std::int64_t unfrozen = 0;
  std::int64_t weighted = 0;
  std::int64_t norms = 0;
  std::size_t first = counted.size();
  std::string first_weighted;
  std::string first_weighted_index;
  for (std::size_t i = 0; i < counted.size(); ++i) {
    if (!selection.unfrozen[counted[i]]) continue;
    const LayerInfo& row = network.layers.rows()[counted[i]];
    first = std::min(first, i);
    ++unfrozen;
    norms += row.type == "BatchNormalization" ? 1 : 0;
    if (row.parameters.empty()) continue;
    ++weighted;
    if (first_weighted.empty()) {
      first_weighted = row.name;
      first_weighted_index = fmt::format("{}", i);
    }
  }
  EXPECT_EQ(static_cast<std::int64_t>(first), test::number(fact, "first_unfrozen_index"));
  if (first < counted.size()) {
    EXPECT_EQ(network.layers.rows()[counted[first]].name, test::field(fact, "first_unfrozen_name"));
  }
  EXPECT_EQ(unfrozen, test::number(fact, "layers_unfrozen"));
  EXPECT_EQ(weighted, test::number(fact, "weighted_layers_unfrozen"));
  EXPECT_EQ(norms, test::number(fact, "bn_layers_unfrozen"));
  EXPECT_EQ(first_weighted, test::field(fact, "first_trainable_weight_layer_name"));
  EXPECT_EQ(first_weighted_index, test::field(fact, "first_trainable_weight_layer_index"));
}

TEST_P(Selectors, GiveTheCountsOfTheUnfreezeMap) {
  const std::string path_name = "unfreeze_map.csv";
  const auto path = test::keras_facts(path_name);
  if (!path) GTEST_SKIP() << test::without_facts(path_name);
  int compared = 0;
  for (const auto& fact : test::read_csv(*path)) {
    if (test::field(fact, "model") != test::keras_class(GetParam())) continue;
    const SelectorOptions options{.keras_rescaling = !test::field(fact, "convention").starts_with("include_prepro")};
    const bool by_layer = test::field(fact, "mode") == "unfreeze_from_layer";
    const std::string text = fmt::format("{}:{}", by_layer ? "layer" : "blocks", test::field(fact, "value"));
    SCOPED_TRACE(fmt::format("{} {} ({})", GetParam(), text, test::field(fact, "convention")));

    const Selection selection = select_layers(*network_, text, options);
    EXPECT_EQ(selection.text, text);
    expect_rows(*network_, selection, options, fact);
    apply_selection(*network_, selection, NormMode::train);
    EXPECT_EQ(base_trainable(), test::number(fact, "trainable_params_base_all"));
    apply_selection(*network_, selection, NormMode::inference);
    EXPECT_EQ(base_trainable(), test::number(fact, "trainable_params_base_all"));
    apply_selection(*network_, selection, NormMode::frozen_affine);
    EXPECT_EQ(base_trainable(), test::number(fact, "trainable_params_base_bn_frozen"));
    ++compared;
  }
  EXPECT_GE(compared, 29);
}

TEST_P(Selectors, CutAtTheFirstStageWithSomethingToTrain) {
  for (const char* text : {"none", "all", "blocks:1", "blocks:3", "blocks:7", "blocks:99", "layer:0", "layer:7",
                           "layer:56", "layer:100", "layer:120", "layer:150", "glob:*_project+blocks:1"}) {
    if (std::string(text).starts_with("glob") && std::string(GetParam()) == "resnet50") continue;
    for (const NormMode mode : {NormMode::train, NormMode::inference, NormMode::frozen_affine}) {
      SCOPED_TRACE(fmt::format("{} {} {}", GetParam(), text, name_of(mode)));
      apply_selection(*network_, select_layers(*network_, text), mode);
      std::string first_block;
      for (const LayerInfo& row : network_->layers.rows()) {
        const bool trains = std::any_of(row.parameters.begin(), row.parameters.end(),
                                        [](const Parameter* p) { return p->trainable(); });
        if (trains) {
          first_block = row.block;
          break;
        }
      }
      ASSERT_LT(network_->cut(), network_->stages.size());
      EXPECT_EQ(network_->stages[network_->cut()].name, first_block);
    }
  }
}

TEST_P(Selectors, LeaveStatisticsAlone) {
  for (Parameter& p : network_->parameters.all()) {
    if (p.kind() == ParameterKind::statistic) p.set_frozen(p.count() % 3 == 0);
  }
  apply_selection(*network_, select_layers(*network_, "all"), NormMode::train);
  for (const Parameter& p : network_->parameters.all()) {
    if (p.kind() != ParameterKind::statistic) continue;
    EXPECT_EQ(p.frozen(), p.count() % 3 == 0) << p.name();
    EXPECT_FALSE(p.trainable()) << p.name();
  }
}

TEST_P(Selectors, AlwaysTrainTheHead) {
  apply_selection(*network_, select_layers(*network_, "none"), NormMode::frozen_affine);
  EXPECT_EQ(base_trainable(), 0);
  EXPECT_TRUE(network_->parameters.find("head/kernel")->trainable());
  EXPECT_EQ(network_->stages[network_->cut()].name, "head");
}

INSTANTIATE_TEST_SUITE_P(Zoo, Selectors, testing::Values("resnet50", "mobilenet_v3_large", "mobilenet_v3_small"),
                         [](const auto& test_case) { return std::string(test_case.param); });

class SelectorText : public testing::Test {
 protected:
  static std::vector<std::string> selected(const Network& network, const std::string& text,
                                           const SelectorOptions& options = {}) {
    const Selection selection = select_layers(network, text, options);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < selection.unfrozen.size(); ++i) {
      const LayerInfo& row = network.layers.rows()[i];
      if (selection.unfrozen[i] && !row.head && !row.parameters.empty()) names.push_back(row.name);
    }
    return names;
  }

  static std::string refusal(const Network& network, const std::string& text) {
    try {
      select_layers(network, text);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "no error";
  }

  const std::unique_ptr<Network> resnet_ = test::reference_model("resnet50", {.size = 32, .head = {.classes = 5}});
  const std::unique_ptr<Network> mobile_ = test::reference_model("mobilenet_v3_small", {.size = 32});
};

TEST_F(SelectorText, JoinsTermsAsAUnion) {
  const std::vector<std::string> expected = {"conv1_conv", "conv1_bn", "conv5_block3_3_conv", "conv5_block3_3_bn"};
  EXPECT_EQ(selected(*resnet_, "glob:conv1_* + layer:171 + none"), expected);
  EXPECT_EQ(select_layers(*resnet_, " layer:0171 + none").text, "layer:171+none");
}

TEST_F(SelectorText, MatchesNamesWithStarsAndQuestionMarks) {
  const std::vector<std::string> expected = {"conv2_block1_1_conv", "conv2_block1_0_conv", "conv2_block2_1_conv",
                                             "conv2_block3_1_conv"};
  EXPECT_EQ(selected(*resnet_, "glob:conv2_*0_conv+glob:conv2_block?_1_conv"), expected);
}

TEST_F(SelectorText, ClipsBlocksWhereAsked) {
  EXPECT_EQ(selected(*resnet_, "blocks:99").front(), "conv1_conv");
  EXPECT_EQ(selected(*resnet_, "blocks:99", {.clip_blocks = true}).front(), "conv2_block1_1_conv");
  EXPECT_EQ(selected(*resnet_, "blocks:99", {.clip_blocks = true}), selected(*resnet_, "blocks:16"));
}

TEST_F(SelectorText, CountsTheTailAsABlockWhereAsked) {
  const std::vector<std::string> tail = {"conv_1", "conv_1_bn"};
  EXPECT_EQ(selected(*mobile_, "blocks:1", {.tail_is_block = true}), tail);
  EXPECT_EQ(selected(*mobile_, "blocks:4", {.tail_is_block = true}), selected(*mobile_, "blocks:3"));
}

TEST_F(SelectorText, CountsLayersWithoutRescalingWhereAsked) {
  EXPECT_EQ(selected(*mobile_, "layer:152", {.keras_rescaling = false}), selected(*mobile_, "layer:153"));
  EXPECT_NE(selected(*mobile_, "layer:152", {.keras_rescaling = false}), selected(*mobile_, "layer:152"));
}

TEST_F(SelectorText, SaysWhichLayersExistWhereNoneMatches) {
  EXPECT_EQ(refusal(*resnet_, "layer:175"),
            "[unfreeze] 'layer:175' selects nothing: resnet50 has 175 layers in Keras' order, 0 'input_layer' to 174 "
            "'conv5_block3_out'");
  EXPECT_EQ(refusal(*resnet_, "glob:conv5_block3_3_cnov"),
            "[unfreeze] 'glob:conv5_block3_3_cnov' matches none of the 175 layers of resnet50, 'input_layer' to "
            "'conv5_block3_out'; did you mean 'conv5_block3_3_conv'?");
  EXPECT_NE(refusal(*resnet_, "glob:head").find("matches none"), std::string::npos);
}

TEST_F(SelectorText, RefusesPatternsThatOnlyMatchLayersWithoutWeights) {
  EXPECT_NE(refusal(*mobile_, "glob:re_lu*").find("only layers without weights"), std::string::npos);
}

TEST_F(SelectorText, NamesTheNearestFormForAMalformedSelector) {
  EXPECT_EQ(refusal(*resnet_, "block:3"),
            "[unfreeze] 'block:3' is no selector: use none, all, blocks:N, layer:N, glob:PATTERN, or several joined "
            "with '+'; did you mean 'blocks'?");
  EXPECT_NE(refusal(*resnet_, "blocks").find("needs a whole number"), std::string::npos);
  EXPECT_NE(refusal(*resnet_, "blocks:-1").find("found '-1'"), std::string::npos);
  EXPECT_NE(refusal(*resnet_, "layer:12x").find("found '12x'"), std::string::npos);
  EXPECT_NE(refusal(*resnet_, "layer:99999999999999999999").find("needs a whole number"), std::string::npos);
  EXPECT_NE(refusal(*resnet_, "").find("empty selector"), std::string::npos);
  EXPECT_NE(refusal(*resnet_, "all+").find("empty selector"), std::string::npos);
  EXPECT_NE(refusal(*resnet_, "glob:").find("needs a pattern"), std::string::npos);
}

TEST_F(SelectorText, RefusesASelectionOfAnotherNetwork) {
  const Selection selection = select_layers(*resnet_, "all");
  EXPECT_THROW(apply_selection(*mobile_, selection, NormMode::train), Error);
}

TEST(Glob, BacktracksToTheLastStar) {
  EXPECT_TRUE(matches_glob("*_bn", "conv_1_bn"));
  EXPECT_TRUE(matches_glob("a*b*c", "aXbXbXc"));
  EXPECT_TRUE(matches_glob("**", ""));
  EXPECT_FALSE(matches_glob("a*b", "aXbX"));
  EXPECT_FALSE(matches_glob("?", ""));
  EXPECT_FALSE(matches_glob("conv", "conv_1"));
}

}  // namespace
}  // namespace thaw
