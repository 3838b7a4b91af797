#include "models/weight_spec.h"

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/models/support.h"
#include "weights/synth.h"

namespace thaw {
namespace {

class Weights : public testing::Test {
 protected:
  static std::string refusal(Network& network, const WeightSet& set, bool head_too) {
    try {
      load_weights(network, set, head_too);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      return error.what();
    }
    return "no error";
  }

  static NamedTensor& tensor(WeightSet& set, const std::string& name) {
    for (NamedTensor& t : set.tensors) {
      if (t.name == name) return t;
    }
    throw std::runtime_error("no tensor " + name);
  }

  const std::unique_ptr<Network> network_ =
      test::reference_model("mobilenet_v3_small", {.size = 32, .head = {.classes = 5, .hidden = {8}}});
  WeightSet set_ = synthetic_weights(weight_spec(*network_, WeightPart::all));
};

TEST_F(Weights, ComeOutAsTheyWentIn) {
  const LoadedWeights loaded = load_weights(*network_, set_, true);
  EXPECT_EQ(loaded.base_tensors, 206U);
  EXPECT_EQ(loaded.head_found.size(), 4U);
  EXPECT_TRUE(loaded.head_missing.empty());
  const WeightSet out = collect_weights(*network_);
  EXPECT_EQ(out.model_id, "mobilenet_v3_small");
  ASSERT_EQ(out.tensors.size(), set_.tensors.size());
  for (std::size_t i = 0; i < out.tensors.size(); ++i) {
    EXPECT_EQ(out.tensors[i].name, set_.tensors[i].name);
    EXPECT_EQ(out.tensors[i].shape, set_.tensors[i].shape) << out.tensors[i].name;
    EXPECT_EQ(out.tensors[i].data, set_.tensors[i].data) << out.tensors[i].name;
  }
}

TEST_F(Weights, LeaveTheHeadAloneWhereItIsNotAskedFor) {
  const auto before = network_->parameters.find("head/kernel")->value().to_floats();
  const LoadedWeights loaded = load_weights(*network_, set_, false);
  EXPECT_EQ(loaded.head_found.size(), 4U);
  EXPECT_EQ(network_->parameters.find("head/kernel")->value().to_floats(), before);
  EXPECT_EQ(network_->parameters.find("conv/kernel")->value().to_floats(), set_.find("conv/kernel")->data);
}

TEST_F(Weights, TellWhichHeadTensorsAreThere) {
  tensor(set_, "head/bias").name = "other/bias";
  const LoadedWeights loaded = load_weights(*network_, set_, false);
  EXPECT_EQ(loaded.head_missing, std::vector<std::string>{"head/bias"});
  EXPECT_EQ(refusal(*network_, set_, true),
            "'synthetic': the head's tensor 'head/bias' of shape (5) is missing; give weights that were trained with "
            "this head");
}

TEST_F(Weights, ChangeNothingWhereOneTensorDoesNotFit) {
  NamedTensor& last = tensor(set_, "conv_1/kernel");
  last.shape = {1, 1, 96, 576};
  const auto before = network_->parameters.find("conv/kernel")->value().to_floats();
  EXPECT_EQ(refusal(*network_, set_, false),
            "'synthetic': tensor 'conv_1/kernel' has shape (1,1,96,576), mobilenet_v3_small needs (576,1,1,96); these "
            "are another model's weights");
  EXPECT_EQ(network_->parameters.find("conv/kernel")->value().to_floats(), before);
}

TEST_F(Weights, NameTheMissingTensor) {
  tensor(set_, "expanded_conv_3_project_bn/gamma").name = "x";
  EXPECT_NE(refusal(*network_, set_, false).find("expanded_conv_3_project_bn/gamma"), std::string::npos);
}

TEST_F(Weights, RefuseAnotherModelByItsName) {
  set_.model_id = "resnet50";
  EXPECT_EQ(refusal(*network_, set_, false),
            "'synthetic' holds weights of resnet50, but the model is mobilenet_v3_small; choose the weights of "
            "mobilenet_v3_small");
}

TEST_F(Weights, RefuseATensorWithTooFewValues) {
  tensor(set_, "conv/kernel").data.pop_back();
  EXPECT_NE(refusal(*network_, set_, false).find("holds 431 values instead of 432"), std::string::npos);
}

TEST_F(Weights, MakeTheFoldedPrefixFollow) {
  Context ctx = test::context_of(*network_, Dtype::f32);
  const Tensor pixels = test::synthetic_pixels(*network_, 1);
  const auto before = network_->forward(ctx, pixels).value().to_floats();
  load_weights(*network_, set_, true);
  EXPECT_NE(network_->forward(ctx, pixels).value().to_floats(), before);
}

TEST(WeightSpec, SplitsBaseAndHead) {
  const auto network = test::reference_model("resnet50", {.size = 32, .head = {.classes = 5}});
  EXPECT_EQ(weight_spec(*network).layers.size(), 106U);
  const ModelSpec head = weight_spec(*network, WeightPart::head);
  ASSERT_EQ(head.layers.size(), 1U);
  EXPECT_EQ(head.layers[0].tensors[0].keras_shape, (std::vector<std::int64_t>{2048, 5}));
  EXPECT_EQ(head.layers[0].tensors[0].h5_dataset, "head/kernel:0");
  EXPECT_EQ(weight_spec(*network, WeightPart::all).layers.size(), 107U);
}

TEST(WeightSpec, NamesTheClassifierOfImageNetAsItsFileDoes) {
  const auto network = test::reference_model("mobilenet_v3_large", {.size = 32, .head = {.include_top = true}});
  const ModelSpec top = weight_spec(*network, WeightPart::head);
  ASSERT_EQ(top.layers.size(), 2U);
  EXPECT_EQ(top.layers[0].h5_layer, "Conv_2");
  EXPECT_EQ(top.layers[0].tensors[0].keras_shape, (std::vector<std::int64_t>{1, 1, 960, 1280}));
  EXPECT_EQ(top.layers[1].h5_layer, "Logits");
  EXPECT_EQ(top.layers[1].tensors[0].keras_shape, (std::vector<std::int64_t>{1, 1, 1280, 1000}));
}

}  // namespace
}  // namespace thaw
