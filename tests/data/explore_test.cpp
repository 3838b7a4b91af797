#include "data/explore.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/data/fixtures.h"

namespace thaw {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Stats, DescribeSizesClassesAndBytes) {
  const TempFolder folder;
  write_bytes(folder.path() / "a/1.png", encode_png(test_image(10, 20, 1)));
  write_bytes(folder.path() / "a/2.png", encode_png(test_image(30, 20, 2)));
  write_bytes(folder.path() / "b/1.png", encode_png(test_image(30, 20, 3)));
  const DatasetStats stats = dataset_stats(Dataset::open(folder.path()));
  EXPECT_EQ(stats.images, 3);
  EXPECT_THAT(stats.class_counts, ElementsAre(2, 1));
  EXPECT_EQ(stats.width.min, 10);
  EXPECT_EQ(stats.width.median, 30);
  EXPECT_EQ(stats.width.max, 30);
  EXPECT_EQ(stats.height.median, 20);
  EXPECT_EQ(stats.aspect.min, 0.5);
  EXPECT_EQ(stats.aspect.max, 1.5);
  ASSERT_EQ(stats.common_sizes.size(), 2u);
  EXPECT_EQ(stats.common_sizes[0].width, 30);
  EXPECT_EQ(stats.common_sizes[0].count, 2);
  EXPECT_EQ(stats.bytes, std::filesystem::file_size(folder.path() / "a/1.png") +
                             std::filesystem::file_size(folder.path() / "a/2.png") +
                             std::filesystem::file_size(folder.path() / "b/1.png"));
}

TEST(Stats, FindIdenticalPhotosAndUnreadableOnes) {
  const TempFolder folder;
  write_two_classes(folder.path(), 2);
  std::filesystem::copy_file(folder.path() / "a/0.jpg", folder.path() / "b/copy.jpg");
  write_bytes(folder.path() / "b/text.jpg", "text");
  const DatasetStats stats = dataset_stats(Dataset::open(folder.path()));
  ASSERT_EQ(stats.duplicates.size(), 1u);
  EXPECT_THAT(stats.duplicates[0], ElementsAre("a/0.jpg", "b/copy.jpg"));
  ASSERT_EQ(stats.unreadable.size(), 1u);
  EXPECT_EQ(stats.unreadable[0].key, "b/text.jpg");
  EXPECT_EQ(stats.images, 5);
}

TEST(Stats, AreWrittenAsJson) {
  const TempFolder folder;
  write_two_classes(folder.path(), 2);
  const nlohmann::json json = to_json(dataset_stats(Dataset::open(folder.path())));
  EXPECT_EQ(json["images"], 4);
  EXPECT_EQ(json["classes"][1]["name"], "b");
  EXPECT_EQ(json["classes"][1]["label"], 1);
  EXPECT_EQ(json["classes"][1]["images"], 2);
  EXPECT_EQ(json["width"]["min"], 16);
  EXPECT_TRUE(json["duplicates"].empty());
}

TEST(SplitJson, ListsTheKeysOfEachPartInOrder) {
  const TempFolder folder;
  write_two_classes(folder.path(), 5);
  const Dataset dataset = Dataset::open(folder.path());
  const nlohmann::json json =
      split_json(dataset, split_dataset(dataset, "train=train[4:],val=train[:2],test=train[2:4]"));
  EXPECT_EQ(json["train"].size(), 6u);
  EXPECT_EQ(json["val"][0], dataset.samples()[0].key);
  EXPECT_EQ(json["test"][1], dataset.samples()[3].key);
}

TEST(ContactSheet, HasARowForEachClassAndTheFirstPhotosInIt) {
  const TempFolder folder;
  const Image red{2, 2, {200, 0, 0, 200, 0, 0, 200, 0, 0, 200, 0, 0}},
      blue{2, 2, {0, 0, 200, 0, 0, 200, 0, 0, 200, 0, 0, 200}};
  for (const char* name : {"1.png", "2.png", "3.png"}) {
    write_bytes(folder.path() / "a" / name, encode_png(red));
    write_bytes(folder.path() / "b" / name, encode_png(blue));
  }
  const Image sheet = contact_sheet(Dataset::open(folder.path()), 2, 20);
  EXPECT_EQ(sheet.width, 2 + 2 * 22);
  int reds = 0, blues = 0;
  for (std::size_t i = 0; i < sheet.rgb.size(); i += 3) {
    reds += sheet.rgb[i] == 200 && sheet.rgb[i + 2] == 0 ? 1 : 0;
    blues += sheet.rgb[i] == 0 && sheet.rgb[i + 2] == 200 ? 1 : 0;
    if (sheet.rgb[i + 2] == 200 && sheet.rgb[i] == 0) {
      ASSERT_GT(i / 3 / static_cast<std::size_t>(sheet.width), static_cast<std::size_t>(sheet.height) / 2);
    }
  }
  EXPECT_EQ(reds, 2 * 20 * 20);
  EXPECT_EQ(blues, 2 * 20 * 20);
}

TEST(ContactSheet, LeavesBadPhotosBlack) {
  const TempFolder folder;
  write_bytes(folder.path() / "a/1.jpg", "text");
  write_bytes(folder.path() / "b/1.jpg", "text");
  const Image sheet = contact_sheet(Dataset::open(folder.path()), 1, 64);
  const std::size_t middle = static_cast<std::size_t>(2 + 10 + 32) * static_cast<std::size_t>(sheet.width) + 32;
  EXPECT_EQ(sheet.rgb[middle * 3], 0);
}

TEST(ContactSheet, RefusesASheetBeyondTheImageLimits) {
  const TempFolder folder;
  write_two_classes(folder.path(), 1);
  const Dataset dataset = Dataset::open(folder.path());
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { contact_sheet(dataset, 0, 64); }), HasSubstr("0 photos"));
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { contact_sheet(dataset, 1000, 64); }), HasSubstr("16384"));
}

}  // namespace
}  // namespace thaw
