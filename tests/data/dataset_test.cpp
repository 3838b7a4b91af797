#include "data/dataset.h"

#include <gmock/gmock.h>

#include "kernels/digest.h"
#include "tests/data/fixtures.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> keys_of(const Dataset& dataset) {
  std::vector<std::string> keys;
  for (const Sample& sample : dataset.samples()) keys.push_back(sample.key);
  return keys;
}

TEST(Digest, KnowsTheStandardVectors) {
  std::string hex;
  for (const auto byte : md5("abc")) hex += fmt::format("{:02x}", byte);
  EXPECT_EQ(hex, "900150983cd24fb0d6963f7d28e17f72");  // RFC 1321
  Sha256 hash;
  hash.add("a");
  hash.add("bc");
  EXPECT_EQ(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2
}

TEST(TfdsOrder, SortsByTheMd5OfTrainAndTheKey) {
  const TempFolder folder;
  for (const char* key : {"a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/3.png"}) write_bytes(folder.path() / key, "x");
  // The order of `md5sum` over "traina/1.jpg" and so on.
  EXPECT_THAT(keys_of(Dataset::open(folder.path())),
              ElementsAre("a/1.jpg", "b/3.png", "b/1.jpg", "a/2.jpg", "b/2.jpg"));
}

TEST(TfdsOrder, IsKnownForTheRealFlowers) {
  if (real_flowers().empty()) GTEST_SKIP() << "THAW_ASSETS has no flower_photos.tgz";
  const OwnCache cache;
  const Dataset dataset = Dataset::open(real_flowers());
  ASSERT_EQ(dataset.size(), 3670);
  EXPECT_EQ(dataset.samples()[0].key, "tulips/4574785121_5d8ec4626e.jpg");
  EXPECT_EQ(dataset.samples()[1].key, "sunflowers/15042911059_b6153d94e7_n.jpg");
  EXPECT_EQ(dataset.samples()[550].key, "roses/15674450867_0ced942941_n.jpg");
  EXPECT_EQ(dataset.samples()[3669].key, "sunflowers/5896354497_6a19162741.jpg");
  std::vector<int> counts(5, 0);
  for (const Sample& sample : dataset.samples()) ++counts[static_cast<std::size_t>(sample.label)];
  EXPECT_THAT(counts, ElementsAre(898, 633, 799, 699, 641));
  EXPECT_THAT(dataset.scan_bad_images(), IsEmpty());
}

TEST(Labels, OfTheFlowersFollowTfds) {
  const TempFolder folder;
  for (const char* name : {"daisy", "dandelion", "roses", "sunflowers", "tulips"})
    write_bytes(folder.path() / name / "1.jpg", "x");
  EXPECT_THAT(Dataset::open(folder.path()).class_names(),
              ElementsAre("dandelion", "daisy", "tulips", "sunflowers", "roses"));
}

TEST(Labels, OfOtherClassesAreAlphabetical) {
  const TempFolder folder;
  for (const char* name : {"tulips", "daisy", "roses"}) write_bytes(folder.path() / name / "1.jpg", "x");
  const Dataset dataset = Dataset::open(folder.path());
  EXPECT_THAT(dataset.class_names(), ElementsAre("daisy", "roses", "tulips"));
  for (const Sample& sample : dataset.samples())
    EXPECT_TRUE(sample.key.starts_with(dataset.class_names()[static_cast<std::size_t>(sample.label)]));
}

TEST(Folder, IgnoresOtherFilesHiddenOnesAndDeeperFolders) {
  const TempFolder folder;
  write_two_classes(folder.path(), 1);
  for (const char* name : {"LICENSE.txt", "0.jpg", "a/notes.txt", "a/._0.jpg", "a/deeper/9.jpg", ".cache/1.jpg"})
    write_bytes(folder.path() / name, "x");
  fs::create_directories(folder.path() / "empty");
  EXPECT_THAT(keys_of(Dataset::open(folder.path())), ::testing::UnorderedElementsAre("a/0.jpg", "b/0.jpg"));
}

TEST(Folder, TakesEndingsInAnyCase) {
  const TempFolder folder;
  write_bytes(folder.path() / "a/1.JPG", "x");
  write_bytes(folder.path() / "b/1.Jpeg", "x");
  write_bytes(folder.path() / "b/1.PNG", "x");
  EXPECT_EQ(Dataset::open(folder.path()).size(), 3);
}

TEST(Folder, MayLieInsideOneMoreFolder) {
  const TempFolder folder;
  write_two_classes(folder.path() / "flower_photos", 1);
  const Dataset dataset = Dataset::open(folder.path());
  EXPECT_EQ(dataset.root(), folder.path() / "flower_photos");
  EXPECT_TRUE(fs::exists(dataset.path_of(0)));
}

TEST(BadData, MissingFolderIsNamed) {
  EXPECT_THAT(error_of(ErrorKind::data, [] { Dataset::open("/nowhere/photos"); }),
              AllOf(HasSubstr("'/nowhere/photos'"), HasSubstr("does not exist")));
}

TEST(BadData, EmptyFolderHasNoClasses) {
  const TempFolder folder;
  EXPECT_THAT(error_of(ErrorKind::data, [&] { Dataset::open(folder.path()); }),
              AllOf(HasSubstr(folder.path().string()), HasSubstr("no class folders")));
}

TEST(BadData, OneClassIsTooFew) {
  const TempFolder folder;
  write_bytes(folder.path() / "a/1.jpg", "x");
  EXPECT_THAT(error_of(ErrorKind::data, [&] { Dataset::open(folder.path()); }), HasSubstr("only one class"));
}

TEST(BadData, AFileThatIsNoArchiveIsRefused) {
  const TempFolder folder;
  write_bytes(folder.path() / "photos.zip", "x");
  EXPECT_THAT(error_of(ErrorKind::data, [&] { Dataset::open(folder.path() / "photos.zip"); }), HasSubstr(".tgz"));
}

TEST(BadData, ANameThatIsNotUtf8IsRefused) {
  const TempFolder folder;
  write_two_classes(folder.path(), 1);
  write_bytes(folder.path() / "a" / "\xFF.jpg", "x");
  EXPECT_THAT(error_of(ErrorKind::data, [&] { Dataset::open(folder.path()); }), HasSubstr("UTF-8"));
}

TEST(Load, AcceptsAPngThatIsNamedJpg) {
  const TempFolder folder;
  write_bytes(folder.path() / "a/1.jpg", encode_png(test_image(12, 8)));
  write_bytes(folder.path() / "b/1.jpg", encode_png(test_image(12, 8)));
  EXPECT_EQ(Dataset::open(folder.path()).load(0).rgb, test_image(12, 8).rgb);
}

TEST(Load, NamesThePathOfABadPhoto) {
  const TempFolder folder;
  write_bytes(folder.path() / "a/1.jpg", "text");
  write_bytes(folder.path() / "b/1.jpg", "text");
  const Dataset dataset = Dataset::open(folder.path());
  EXPECT_THAT(error_of(ErrorKind::data, [&] { static_cast<void>(dataset.load(1)); }),
              HasSubstr(dataset.path_of(1).string()));
}

class DatasetWithBadPhotos : public ::testing::Test {
 protected:
  DatasetWithBadPhotos() {
    write_two_classes(folder_.path(), 3);
    const std::string photo = jpeg_of(64, 64);
    write_bytes(folder_.path() / "a/cut.jpg", photo.substr(0, photo.size() / 2));
    write_bytes(folder_.path() / "b/empty.jpg", "");
    write_bytes(folder_.path() / "b/text.png", "text");
  }
  TempFolder folder_;
};

TEST_F(DatasetWithBadPhotos, SkipsAndCountsThemWhenAsked) {
  const Dataset dataset = Dataset::open(folder_.path(), {.bad = BadImages::skip});
  EXPECT_EQ(dataset.size(), 6);
  std::vector<std::string> bad;
  for (const BadImage& image : dataset.skipped()) bad.push_back(image.key);
  EXPECT_THAT(bad, ::testing::UnorderedElementsAre("a/cut.jpg", "b/empty.jpg", "b/text.png"));
  for (int i = 0; i < dataset.size(); ++i) EXPECT_NO_THROW(static_cast<void>(dataset.load(i)));
}

TEST_F(DatasetWithBadPhotos, KeepsThemOtherwise) {
  const Dataset dataset = Dataset::open(folder_.path());
  EXPECT_EQ(dataset.size(), 9);
  EXPECT_THAT(dataset.skipped(), IsEmpty());
  EXPECT_EQ(dataset.scan_bad_images().size(), 3u);
}

TEST_F(DatasetWithBadPhotos, ReportsTheSameForAnyNumberOfThreads) {
  std::vector<BadImage> one, four;
  const Dataset dataset = Dataset::open(folder_.path());
  EXPECT_EQ(keys_of(dataset.without_bad_images(&one, 1)), keys_of(dataset.without_bad_images(&four, 4)));
  ASSERT_EQ(one.size(), 3u);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].key, four[i].key);
    EXPECT_EQ(one[i].reason, four[i].reason);
    EXPECT_THAT(one[i].reason, HasSubstr(one[i].key));
  }
}

TEST_F(DatasetWithBadPhotos, ReportsAgainWhatOpeningSkipped) {
  std::vector<BadImage> report;
  const Dataset dataset = Dataset::open(folder_.path(), {.bad = BadImages::skip}).without_bad_images(&report);
  EXPECT_EQ(report.size(), 3u);
  EXPECT_EQ(dataset.size(), 6);
}

TEST(BadData, AClassWithoutAnyGoodPhotoIsNamed) {
  const TempFolder folder;
  write_bytes(folder.path() / "good/1.jpg", jpeg_of(8, 8));
  write_bytes(folder.path() / "hopeless/1.jpg", "text");
  EXPECT_THAT(error_of(ErrorKind::data, [&] { Dataset::open(folder.path(), {.bad = BadImages::skip}); }),
              HasSubstr("'hopeless'"));
}

TEST(ContentHash, DependsOnBytesAndNamesOnly) {
  const TempFolder first, second;
  write_two_classes(first.path());
  write_two_classes(second.path());
  const std::string hash = Dataset::open(first.path()).content_hash();
  EXPECT_EQ(hash.size(), 64u);
  EXPECT_EQ(Dataset::open(second.path()).content_hash(), hash);
  write_bytes(second.path() / "a/0.jpg", jpeg_of(20, 16, 77));
  EXPECT_NE(Dataset::open(second.path()).content_hash(), hash);
  fs::rename(first.path() / "a/0.jpg", first.path() / "a/7.jpg");
  EXPECT_NE(Dataset::open(first.path()).content_hash(), hash);
}

}  // namespace
}  // namespace thaw
