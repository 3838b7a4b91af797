#include "data/split.h"

#include <gmock/gmock.h>

#include "tests/data/fixtures.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int flowers = 3670;

int count(std::string_view slice) { return static_cast<int>(resolve_slice(slice, flowers).size()); }

struct Recipe {
  const char *name, *train, *val, *test;
  int train_count, val_count, test_count;
};

class FlowerRecipe : public ::testing::TestWithParam<Recipe> {};

TEST_P(FlowerRecipe, GivesTheCountsOfTensorFlowDatasets) {
  const Recipe& recipe = GetParam();
  EXPECT_EQ(count(recipe.train), recipe.train_count);
  EXPECT_EQ(count(recipe.val), recipe.val_count);
  EXPECT_EQ(count(recipe.test), recipe.test_count);
}

INSTANTIATE_TEST_SUITE_P(
    Table, FlowerRecipe,
    ::testing::Values(Recipe{"ObviousSlices", "train[:75%]", "train[75%:90%]", "train[90%:]", 2752, 551, 367},
                      Recipe{"GeronsBook", "train[25%:]", "train[10%:25%]", "train[:10%]", 2752, 551, 367},
                      Recipe{"PaperCounts", "train[15%:90%]", "train[:15%]", "train[90%:]", 2753, 550, 367},
                      Recipe{"PaperCountsOtherOrder", "train[10%:85%]", "train[85%:]", "train[:10%]", 2753, 550, 367},
                      Recipe{"ValThenTest", "train[25%:]", "train[:15%]", "train[15%:25%]", 2752, 550, 368},
                      Recipe{"DroppedRemainder", "train[:2700]", "train[2700:3240]", "train[3240:]", 2700, 540, 430},
                      Recipe{"ManualFloors", "train[917:]", "train[:550]", "train[550:917]", 2753, 550, 367},
                      Recipe{"ManualCeil", "train[:2753]", "train[2753:-367]", "train[-367:]", 2753, 550, 367},
                      Recipe{"GeronWithFloors", "train[917:]", "train[367:917]", "train[:367]", 2753, 550, 367}),
    [](const auto& row) { return row.param.name; });

TEST(Slice, RoundsPercentBoundariesHalfToEven) {
  // p * 3670 / 100: 367, 550.5, 917.5, 2752.5, 3119.5, 3303.
  EXPECT_EQ(count("train[:10%]"), 367);
  EXPECT_EQ(count("train[:15%]"), 550);
  EXPECT_EQ(count("train[:25%]"), 918);
  EXPECT_EQ(count("train[:75%]"), 2752);
  EXPECT_EQ(count("train[:85%]"), 3120);
  EXPECT_EQ(count("train[:90%]"), 3303);
}

TEST(Slice, RoundsWhatIsNoHalfToTheNearest) {
  EXPECT_EQ(resolve_slice("train[:33%]", 10).size(), 3u);  // 3.3
  EXPECT_EQ(resolve_slice("train[:37%]", 10).size(), 4u);  // 3.7
  EXPECT_EQ(resolve_slice("train[:51%]", 1).size(), 1u);   // 0.51
}

TEST(Slice, SelectsIndicesInOrder) {
  EXPECT_THAT(resolve_slice("train[2:5]", 10), ElementsAre(2, 3, 4));
  EXPECT_THAT(resolve_slice("train", 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(resolve_slice("train[:]", 2), ElementsAre(0, 1));
  EXPECT_THAT(resolve_slice("train[5:2]", 10), ElementsAre());
}

TEST(Slice, CountsNegativeBoundariesFromTheEnd) {
  EXPECT_THAT(resolve_slice("train[-2:]", 10), ElementsAre(8, 9));
  EXPECT_THAT(resolve_slice("train[:-8]", 10), ElementsAre(0, 1));
  EXPECT_THAT(resolve_slice("train[-20%:]", 10), ElementsAre(8, 9));
  EXPECT_EQ(count("train[-15%:]"), 550);  // -550.5 rounds to -550
}

TEST(Slice, JoinsPartsInTheOrderGiven) {
  EXPECT_THAT(resolve_slice("train[8:]+train[:2]", 10), ElementsAre(8, 9, 0, 1));
}

class WrongSlice : public ::testing::TestWithParam<const char*> {};

TEST_P(WrongSlice, IsAUsageErrorThatQuotesIt) {
  const std::string slice = GetParam();
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { resolve_slice(slice, 100); }), HasSubstr("'" + slice + "'"));
}

INSTANTIATE_TEST_SUITE_P(Table, WrongSlice,
                         ::testing::Values("", "test[:10%]", "train[", "train[]", "train[10]", "train[a:b]",
                                           "train[:1.5%]", "train[:101%]", "train[:101]", "train[-101:]",
                                           "train[10%:50]", "train[:10%]x", "training[:10%]", "train[:%]",
                                           "train[1:2:3]", "train[:99999999999999999999]"));

TEST(SplitSpec, ReadsTheDefault) {
  const SplitSpec spec = SplitSpec::parse(default_split);
  EXPECT_EQ(spec.train, "train[15%:90%]");
  EXPECT_EQ(spec.val, "train[:15%]");
  EXPECT_EQ(spec.test, "train[90%:]");
}

TEST(SplitSpec, TakesItsPartsInAnyOrderWithBlanks) {
  EXPECT_EQ(SplitSpec::parse("test=train[:1], train = train[2:] ,val=train[1:2]").train, "train[2:]");
}

TEST(SplitSpec, RefusesMissingUnknownAndRepeatedParts) {
  EXPECT_THAT(error_of(ErrorKind::usage, [] { SplitSpec::parse("train=train[:50%],val=train[50%:]"); }),
              HasSubstr("lacks test="));
  EXPECT_THAT(error_of(ErrorKind::usage, [] { SplitSpec::parse("train=train,val=train,tst=train"); }),
              HasSubstr("'tst=train'"));
  EXPECT_THAT(error_of(ErrorKind::usage, [] { SplitSpec::parse("train=train,train=train"); }), HasSubstr("once each"));
  EXPECT_THAT(error_of(ErrorKind::usage, [] { SplitSpec::parse(""); }), HasSubstr("expected"));
}

class SmallDataset : public ::testing::Test {
 protected:
  SmallDataset() {
    write_two_classes(folder_.path(), 10);
    dataset_ = std::make_unique<Dataset>(Dataset::open(folder_.path()));
  }
  TempFolder folder_;
  std::unique_ptr<Dataset> dataset_;
};

TEST_F(SmallDataset, IsSplitIntoDisjointParts) {
  const Split split = split_dataset(*dataset_);
  EXPECT_EQ(split.train.size(), 15u);
  EXPECT_THAT(split.val, ElementsAre(0, 1, 2));
  EXPECT_THAT(split.test, ElementsAre(18, 19));
}

TEST_F(SmallDataset, RefusesOverlappingParts) {
  EXPECT_THAT(error_of(ErrorKind::usage,
                       [&] { split_dataset(*dataset_, "train=train[:15],val=train[14:18],test=train[18:]"); }),
              AllOf(HasSubstr("both for train and for val"), HasSubstr("14")));
  EXPECT_THAT(
      error_of(ErrorKind::usage,
               [&] { split_dataset(*dataset_, "train=train[:9]+train[8:10],val=train[14:18],test=train[18:]"); }),
      HasSubstr("both for train and for train"));
}

TEST_F(SmallDataset, RefusesAnEmptyPart) {
  EXPECT_THAT(error_of(ErrorKind::usage,
                       [&] { split_dataset(*dataset_, "train=train[:15],val=train[15:15],test=train[15:]"); }),
              HasSubstr("no photo for val"));
}

TEST_F(SmallDataset, RefusesAClassWithoutTrainingPhotosAndNamesIt) {
  const int label = dataset_->samples()[0].label;
  const std::string missing = dataset_->class_names()[static_cast<std::size_t>(1 - label)];
  EXPECT_THAT(
      error_of(ErrorKind::data, [&] { split_dataset(*dataset_, "train=train[:1],val=train[1:10],test=train[10:]"); }),
      HasSubstr("'" + missing + "'"));
}

TEST(TfdsOrder, SplitsFlowersInto2753And550And367) {
  if (real_flowers().empty()) GTEST_SKIP() << "THAW_ASSETS has no flower_photos.tgz";
  const OwnCache cache;
  const Split split = split_dataset(Dataset::open(real_flowers()));
  EXPECT_EQ(split.train.size(), 2753u);
  EXPECT_EQ(split.val.size(), 550u);
  EXPECT_EQ(split.test.size(), 367u);
  EXPECT_EQ(split.val.front(), 0);
  EXPECT_EQ(split.train.front(), 550);
  EXPECT_EQ(split.test.front(), 3303);
}

}  // namespace
}  // namespace thaw
