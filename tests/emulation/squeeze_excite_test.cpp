// Squeeze-and-excite is three launches on the device, and looks like its layers to everybody else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/device.h"
#include "tests/framework/support.h"

namespace thaw {

namespace {

/// A layer of 19 channels on pictures of 6x5, and what its forward pass does.
class SqueezeExcitation {
 public:
  explicit SqueezeExcitation(const std::string& device, Dtype dtype = Dtype::f32)
      : parameters_(make_backend(device), Dtype::f32, 3), layer(Scope(parameters_, "block"), {6, 5, 19}, 7, "gate") {
    ctx.backend = parameters_.backend();
    ctx.dtype = dtype;
    for (const Parameter* bias : {layer.reduce.bias, layer.expand.bias}) {
      bias->value().assign(std::span<const double>(test::values(bias->count(), 5)));
    }
    x = test::leaf(ctx, {3, 6, 5, 19}, 1);
  }

  std::vector<std::string> launches() {
    std::vector<std::string> names;
    cuda::emulation::launches = &names;
    layer(ctx, x);
    cuda::emulation::launches = nullptr;
    return names;
  }

 private:
  ParameterStore parameters_;

 public:
  SqueezeExcite layer;
  Context ctx;
  Var x;
};

struct Seen {
  std::string name;
  Shape shape;
  std::vector<double> values;
  double scale;
};

std::vector<Seen> observed(const std::string& device) {
  SqueezeExcitation run(device);
  std::vector<Seen> out;
  run.ctx.observer = [&out](std::string_view name, const Tensor& output, double scale) {
    out.push_back({std::string(name), output.shape(), output.to_doubles(), scale});
  };
  run.layer(run.ctx, run.x);
  return out;
}

}  // namespace

TEST(SqueezeExciteOnDevice, IsThreeLaunchesForwardWithAndWithoutGradients) {
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    SqueezeExcitation run("cuda", dtype);
    EXPECT_THAT(run.launches(), testing::ElementsAre("global average pool", "reduce_channels", "expand_and_scale"));
    Tape tape;
    run.ctx.tape = &tape;
    EXPECT_LE(run.launches().size(), 3U);
    EXPECT_EQ(tape.size(), 7U);
  }
}

TEST(SqueezeExciteOnDevice, ShowsObserversTheLayersThatTheReferenceShows) {
  const std::vector<Seen> expected = observed("reference");
  const std::vector<Seen> found = observed("cuda");
  ASSERT_EQ(expected.size(), 6U);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].name, expected[i].name);
    EXPECT_EQ(found[i].shape, expected[i].shape);
    EXPECT_EQ(found[i].scale, expected[i].scale);
    EXPECT_THAT(found[i].values, testing::Pointwise(testing::DoubleNear(1e-5), expected[i].values)) << found[i].name;
  }
}

TEST(SqueezeExciteOnDevice, RecordsOnlyWhatAWantedGradientNeeds) {
  SqueezeExcitation run("cuda");
  Tape tape;
  run.ctx.tape = &tape;
  run.x = Var(run.x.value());
  for (const Conv2D* conv : {&run.layer.reduce, &run.layer.expand}) {
    conv->kernel->set_frozen(true);
    conv->bias->set_frozen(true);
  }
  run.layer(run.ctx, run.x);
  EXPECT_EQ(tape.size(), 0U);
  run.layer.expand.kernel->set_frozen(false);
  run.layer(run.ctx, run.x);
  EXPECT_THAT(tape.ops(), testing::ElementsAre("conv2d", "activation", "scale_channels"));
  const std::size_t floats = 3 * 7 + 3 * 19 + 3 * 6 * 5 * 19;  // squeezed, the gate's pre-activation, x
  EXPECT_EQ(tape.saved_bytes(), floats * sizeof(float));
}

}  // namespace thaw
