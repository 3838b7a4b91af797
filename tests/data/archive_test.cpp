#include "data/archive.h"

#include <gmock/gmock.h>

#include "data/dataset.h"
#include "tests/data/fixtures.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<TarEntry> good_entries() {
  return {{"flowers/", "", AE_IFDIR},
          {"flowers/LICENSE.txt", "all rights reversed"},
          {"flowers/a/", "", AE_IFDIR},
          {"flowers/a/1.jpg", jpeg_of(64, 48, 1)},
          {"flowers/a/2.jpg", jpeg_of(48, 64, 2)},
          {"flowers/b/1.png", encode_png(test_image(16, 16, 3))}};
}

std::string refusal(const std::vector<TarEntry>& entries) {
  const TempFolder folder;
  const OwnCache cache;
  const fs::path path = folder.path() / "x.tgz";
  write_archive(path, entries);
  const std::string message = error_of(ErrorKind::data, [&] { unpack_archive(path); });
  EXPECT_TRUE(!fs::exists(cache.path() / "datasets") || fs::is_empty(cache.path() / "datasets"));
  EXPECT_THAT(message, HasSubstr("x.tgz"));
  return message;
}

std::vector<TarEntry> good_and(const TarEntry& bad) {
  std::vector<TarEntry> entries = good_entries();
  entries.push_back(bad);
  return entries;
}

class ArchiveKind : public ::testing::TestWithParam<const char*> {};

TEST_P(ArchiveKind, OpensAsADatasetWithoutItsTopFolder) {
  const TempFolder folder;
  const OwnCache cache;
  write_archive(folder.path() / GetParam(), good_entries());
  const Dataset dataset = Dataset::open(folder.path() / GetParam());
  EXPECT_THAT(dataset.class_names(), ::testing::ElementsAre("a", "b"));
  EXPECT_EQ(dataset.size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_GT(dataset.load(i).width, 0);
}

INSTANTIATE_TEST_SUITE_P(Names, ArchiveKind, ::testing::Values("x.tgz", "x.tar.gz", "X.TGZ", "x.tar"),
                         [](const auto& row) { return "Case" + std::to_string(row.index); });

TEST(Archive, UnpacksOnlyPhotos) {
  const TempFolder folder;
  const OwnCache cache;
  write_archive(folder.path() / "x.tgz", good_entries());
  const fs::path root = unpack_archive(folder.path() / "x.tgz");
  EXPECT_TRUE(fs::exists(root / "flowers/a/1.jpg"));
  EXPECT_FALSE(fs::exists(root / "flowers/LICENSE.txt"));
}

TEST(Archive, IsUnpackedOnceAndFoundAgain) {
  const TempFolder folder;
  const OwnCache cache;
  write_archive(folder.path() / "x.tgz", good_entries());
  const fs::path root = unpack_archive(folder.path() / "x.tgz");
  write_bytes(root / "flowers/a/3.jpg", jpeg_of(8, 8));  // would be gone after unpacking again
  fs::copy_file(folder.path() / "x.tgz", folder.path() / "copy.tgz");
  EXPECT_EQ(Dataset::open(folder.path() / "copy.tgz").size(), 4);
}

TEST(Archive, TruncatedAnywhereIsAnErrorAndLeavesNothing) {
  const TempFolder folder;
  const OwnCache cache;
  const fs::path path = folder.path() / "x.tgz";
  write_archive(path, good_entries());
  const auto whole = fs::file_size(path);
  for (int tenth = 9; tenth >= 1; --tenth) {
    fs::resize_file(path, whole * static_cast<unsigned>(tenth) / 10);
    const std::string message = error_of(ErrorKind::data, [&] { unpack_archive(path); });
    EXPECT_THAT(message, AllOf(HasSubstr("x.tgz"), HasSubstr("truncated"))) << tenth;
    EXPECT_TRUE(fs::is_empty(cache.path() / "datasets")) << tenth;
  }
}

TEST(Archive, OfOtherBytesIsAnError) {
  const TempFolder folder;
  const OwnCache cache;
  write_bytes(folder.path() / "x.tgz", "this is text, renamed");
  EXPECT_THAT(error_of(ErrorKind::data, [&] { unpack_archive(folder.path() / "x.tgz"); }), HasSubstr("damaged"));
}

TEST(Archive, WithASymbolicLinkIsRefused) {
  EXPECT_THAT(refusal(good_and({"flowers/b/2.jpg", "", AE_IFLNK, "/etc/passwd"})), HasSubstr("it is a link"));
}

TEST(Archive, WithALinkedFolderIsRefusedBeforeAnythingIsWrittenThroughIt) {
  const TempFolder victim;
  auto entries = good_and({"flowers/c", "", AE_IFLNK, victim.path().string()});
  entries.push_back({"flowers/c/1.jpg", jpeg_of(8, 8)});
  EXPECT_THAT(refusal(entries), HasSubstr("it is a link"));
  EXPECT_TRUE(fs::is_empty(victim.path()));
}

TEST(Archive, WithAHardLinkIsRefused) {
  EXPECT_THAT(refusal(good_and({"flowers/b/2.jpg", "", AE_IFREG, "flowers/a/1.jpg", true})), HasSubstr("it is a link"));
}

TEST(Archive, ThatClimbsOutOfItsFolderIsRefused) {
  EXPECT_THAT(refusal(good_and({"flowers/../../../evil.jpg", jpeg_of(8, 8)})), HasSubstr("leads out"));
}

TEST(Archive, WithAnAbsoluteNameIsRefused) {
  EXPECT_THAT(refusal(good_and({"/tmp/thaw_evil/evil.jpg", jpeg_of(8, 8)})), HasSubstr("leads out"));
  EXPECT_FALSE(fs::exists("/tmp/thaw_evil"));
}

TEST(Archive, WithANamedPipeIsRefused) {
  EXPECT_THAT(refusal(good_and({"flowers/b/2.jpg", "", AE_IFIFO})), HasSubstr("neither a file nor a folder"));
}

TEST(Archive, WithControlCharactersInANameIsRefusedAndShowsThemEscaped) {
  EXPECT_THAT(refusal(good_and({"flowers/b/\x1b[2J.jpg", jpeg_of(8, 8)})),
              AllOf(HasSubstr("control characters"), HasSubstr("\\x1b[2J")));
}

TEST(Archive, ThatInflatesTooMuchIsRefused) {
  EXPECT_THAT(refusal(good_and({"flowers/b/zeros.bin", std::string(std::size_t{24} << 20, '\0')})),
              HasSubstr("200 times its size"));
}

TEST(Archive, LargerThanTheLimitIsRefusedBeforeItIsUnpacked) {
  const TempFolder folder;
  const OwnCache cache;
  write_archive(folder.path() / "x.tar", good_entries());
  EXPECT_THAT(error_of(ErrorKind::data, [&] { unpack_archive(folder.path() / "x.tar", {.total_bytes = 1000}); }),
              HasSubstr("more than 1000 bytes"));
  EXPECT_THAT(error_of(ErrorKind::data, [&] { unpack_archive(folder.path() / "x.tar", {.entries = 3}); }),
              HasSubstr("3 files"));
}

TEST(Archive, IntoAnUnwritableCacheNamesTheWayOut) {
  const TempFolder folder;
  write_archive(folder.path() / "x.tgz", good_entries());
  write_bytes(folder.path() / "file", "");
  const OwnCache restored;
  ::setenv("THAW_CACHE", (folder.path() / "file").c_str(), 1);
  EXPECT_THAT(error_of(ErrorKind::failed, [&] { unpack_archive(folder.path() / "x.tgz"); }), HasSubstr("THAW_CACHE"));
}

}  // namespace
}  // namespace thaw
