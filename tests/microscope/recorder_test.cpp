#include "microscope/recorder.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/error.h"

namespace thaw::microscope {
namespace {

std::int64_t calls(const std::vector<Request>& requests, const std::string& family, const std::string& direction) {
  return std::accumulate(requests.begin(), requests.end(), std::int64_t{0}, [&](std::int64_t sum, const Request& r) {
    return r.family == family && r.direction == direction ? sum + r.count : sum;
  });
}

TEST(Recorder, AFullyTrainedResNetRunsEachOfIts53ConvolutionsInThreeDirections) {
  const auto requests = record_step({.model = "resnet50", .batch = 2, .size = 64});
  EXPECT_EQ(calls(requests, "conv", "fwd"), 53);
  EXPECT_EQ(calls(requests, "conv", "wgrad"), 53);
  EXPECT_EQ(calls(requests, "conv", "dgrad"), 52) << "pixels have no gradient";
  EXPECT_EQ(calls(requests, "conv", "packed"), 0);
  EXPECT_EQ(calls(requests, "norm", "fwd"), 53);
  EXPECT_EQ(calls(requests, "norm", "bwd"), 53);
  EXPECT_EQ(calls(requests, "adam", "update"), 1);
  EXPECT_LT(requests.size(), 150U) << "equal problems are one row";
}

TEST(Recorder, WhatIsFrozenRunsPackedAndForwardOnly) {
  const auto requests =
      record_step({.model = "mobilenet_v3_small", .unfreeze = "none", .bn = "inference", .batch = 2, .size = 32});
  EXPECT_EQ(calls(requests, "depthwise", "packed"), 11);
  for (const char* family : {"conv", "depthwise"}) {
    EXPECT_EQ(calls(requests, family, "dgrad"), 0);
    EXPECT_EQ(calls(requests, family, "wgrad"), 0);
  }
  EXPECT_EQ(calls(requests, "norm", "fwd") + calls(requests, "norm", "bwd"), 0) << "norms are folded into filters";
  EXPECT_EQ(calls(requests, "dense", "wgrad"), 1) << "the head trains";
}

TEST(Recorder, ASqueezeExciteIsOneCallWhereTheDeviceFusesIt) {
  const auto named = [](const std::vector<Request>& requests, const char* start) {
    return std::accumulate(requests.begin(), requests.end(), std::int64_t{0}, [&](std::int64_t sum, const Request& r) {
      return r.problem.starts_with(start) && r.direction == "fwd" ? sum + r.count : sum;
    });
  };
  const auto apart = record_step({.model = "mobilenet_v3_small", .batch = 2, .size = 32});
  const auto fused = record_step({.model = "mobilenet_v3_small", .batch = 2, .size = 32, .fuses = true});
  EXPECT_EQ(named(apart, "squeeze_excite_"), 0);
  EXPECT_EQ(named(apart, "scale_"), 9);
  EXPECT_EQ(named(fused, "squeeze_excite_"), 9);
  EXPECT_EQ(named(fused, "scale_"), 0);
  EXPECT_EQ(calls(fused, "conv", "fwd"), calls(apart, "conv", "fwd") - 18);
  EXPECT_EQ(calls(fused, "conv", "wgrad"), calls(apart, "conv", "wgrad")) << "the way back is the same";
  EXPECT_EQ(calls(fused, "pointwise", "bwd"), calls(apart, "pointwise", "bwd"));
}

TEST(Recorder, EveryProblemReadsBackToItself) {
  for (const char* model : {"resnet50", "mobilenet_v3_small"}) {
    for (const Request& request : record_step(
             {.model = model, .unfreeze = "blocks:2", .batch = 1, .size = 32, .dtype = Dtype::bf16, .fuses = true})) {
      const Family& of_request = family(request.family);
      EXPECT_EQ(of_request.canonical(request.problem, {}), request.problem);
      EXPECT_EQ(of_request.make(request.problem, request.direction).direction, request.direction);
    }
  }
}

TEST(Recorder, AnUnknownModelOrSelectorIsAUsageError) {
  EXPECT_THROW(record_step({.model = "resnet51"}), Error);
  EXPECT_THROW(record_step({.model = "mobilenet_v3_small", .unfreeze = "glob:nothing*", .size = 32}), Error);
}

}  // namespace
}  // namespace thaw::microscope
