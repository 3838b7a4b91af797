#include "kernels/nearest.h"

#include <gtest/gtest.h>

namespace thaw {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("epochs", "epoch"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("unfreeze", "unfreeez"), 1);
  EXPECT_EQ(edit_distance("ResNet50", "resnet50"), 0);
}

TEST(Nearest, PicksTheClosestWord) {
  EXPECT_EQ(nearest("resnet", {"mobilenet_v3_large", "resnet50"}), "resnet50");
  EXPECT_EQ(nearest("bacth", {"batch", "watch"}), "batch");
}

TEST(Nearest, StaysSilentWhereNothingIsClose) {
  EXPECT_EQ(nearest("vgg16", {"mobilenet_v3_large", "resnet50"}), "");
  EXPECT_EQ(nearest("xy", {"no"}), "");
  EXPECT_EQ(did_you_mean("vgg16", {"resnet50"}), "");
  EXPECT_EQ(did_you_mean("resnet51", {"resnet50"}), "; did you mean 'resnet50'?");
}

}  // namespace
}  // namespace thaw
