#include "data/synth.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "data/dataset.h"
#include "tests/data/fixtures.h"

namespace thaw {
namespace {

using ::testing::HasSubstr;

/// A plain description that a linear model could use: a histogram of 4 x 4 x 4 colours of the picture's middle.
std::vector<double> colours_of(const Image& image) {
  std::vector<double> histogram(64, 0);
  for (int y = image.height / 5; y < image.height * 4 / 5; ++y) {
    for (int x = image.width / 5; x < image.width * 4 / 5; ++x) {
      const std::uint8_t* p = image.rgb.data() + static_cast<std::size_t>(y * image.width + x) * 3;
      const int bin = p[0] / 64 * 16 + p[1] / 64 * 4 + p[2] / 64;
      histogram[static_cast<std::size_t>(bin)] += 1;
    }
  }
  return histogram;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum;
}

TEST(Synth, DrawsTheSamePictureForTheSameSeed) {
  for (int kind = 0; kind < 5; ++kind) {
    const Image image = draw_flower(kind, 11, 48);
    EXPECT_EQ(image.rgb.size(), 48u * 48 * 3);
    EXPECT_EQ(draw_flower(kind, 11, 48).rgb, image.rgb);
    EXPECT_NE(draw_flower(kind, 12, 48).rgb, image.rgb);
  }
}

TEST(Synth, WritesADatasetWhoseHashTheSeedDecides) {
  const TempFolder folder;
  draw_synthetic_flowers(folder.path() / "one", {.per_class = 3, .size = 32, .seed = 1});
  draw_synthetic_flowers(folder.path() / "same", {.per_class = 3, .size = 32, .seed = 1});
  draw_synthetic_flowers(folder.path() / "other", {.per_class = 3, .size = 32, .seed = 2});
  const Dataset dataset = Dataset::open(folder.path() / "one");
  EXPECT_EQ(dataset.size(), 15);
  EXPECT_TRUE(dataset.scan_bad_images().empty());
  EXPECT_EQ(dataset.content_hash(), Dataset::open(folder.path() / "same").content_hash());
  EXPECT_NE(dataset.content_hash(), Dataset::open(folder.path() / "other").content_hash());
}

TEST(Synth, NamesItsClassesSoThatNobodyTakesThemForPhotos) {
  const TempFolder folder;
  draw_synthetic_flowers(folder.path() / "x", {.per_class = 1, .size = 16});
  const Dataset dataset = Dataset::open(folder.path() / "x");
  ASSERT_EQ(dataset.class_count(), 5);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(dataset.class_names()[i], synthetic_class_names()[i]);
    EXPECT_TRUE(dataset.class_names()[i].starts_with("drawn_"));
  }
}

TEST(Synth, ReplacesAnEarlierDrawing) {
  const TempFolder folder;
  draw_synthetic_flowers(folder.path() / "x", {.per_class = 4, .size = 16});
  draw_synthetic_flowers(folder.path() / "x", {.per_class = 2, .size = 16});
  EXPECT_EQ(Dataset::open(folder.path() / "x").size(), 10);
}

TEST(Synth, TouchesNoFolderWithOtherThings) {
  const TempFolder folder;
  write_bytes(folder.path() / "drawn_rose/mine.jpg", "precious");
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { draw_synthetic_flowers(folder.path(), {.per_class = 1}); }),
              HasSubstr(folder.path().string()));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "drawn_rose/mine.jpg"));
}

TEST(Synth, RefusesImpossibleOptions) {
  const TempFolder folder;
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { draw_synthetic_flowers(folder.path(), {.per_class = 0}); }),
              HasSubstr("0 pictures"));
  EXPECT_THAT(error_of(ErrorKind::usage, [] { draw_flower(5, 0, 32); }), HasSubstr("no flower 5"));
  EXPECT_THAT(error_of(ErrorKind::usage, [] { draw_flower(0, 0, 0); }), HasSubstr("of 0 pixels"));
}

TEST(Synth, KindsCanBeToldApart) {
  constexpr int known = 40, asked = 10;
  std::vector<std::pair<int, std::vector<double>>> examples;
  for (int kind = 0; kind < 5; ++kind) {
    for (std::uint64_t seed = 0; seed < known; ++seed)
      examples.emplace_back(kind, colours_of(draw_flower(kind, seed, 40)));
  }
  int right = 0;
  for (int kind = 0; kind < 5; ++kind) {
    for (std::uint64_t seed = 1000; seed < 1000 + asked; ++seed) {
      const std::vector<double> colours = colours_of(draw_flower(kind, seed, 40));
      int guess = -1;
      double nearest = std::numeric_limits<double>::max();
      for (const auto& [label, example] : examples) {
        if (const double d = distance(colours, example); d < nearest) {
          nearest = d;
          guess = label;
        }
      }
      right += guess == kind ? 1 : 0;
    }
  }
  // Colours alone, by the nearest of 200 examples; guessing gives 10 of 50.
  EXPECT_GE(right, 35);
}

}  // namespace
}  // namespace thaw
