#include <gmock/gmock.h>

#include <algorithm>

#include "data/image.h"
#include "tests/app/bad_input.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;

fs::path first_photo(const fs::path& dir) { return photo_in(dir / "photos"); }

void cut_photo(const fs::path& dir) {
  copy_photos(dir);
  fs::resize_file(first_photo(dir), fs::file_size(first_photo(dir)) / 2);
}

void empty_photo(const fs::path& dir) {
  copy_photos(dir);
  fs::resize_file(first_photo(dir), 0);
}

void replace_photo(const fs::path& dir, const std::string& bytes) {
  copy_photos(dir);
  write(first_photo(dir), bytes);
}

Image wide_image() { return {.width = 20'000, .height = 1, .rgb = std::vector<std::uint8_t>(60'000, 90)}; }

void one_class(const fs::path& dir) {
  fs::create_directories(dir / "one/rose");
  fs::copy(photo_in(drawn_photos()), dir / "one/rose/a.jpg");
}

void broken_archive(const fs::path& dir) { write(dir / "photos.tgz", "no archive"); }

// Photos without a class folder, as somebody has them who knows no better.
void loose_photos(const fs::path& dir) {
  fs::create_directories(dir / "loose");
  fs::copy(photo_in(drawn_photos()), dir / "loose/a.jpg");
}

void train_for_other_classes(const fs::path& dir) {
  ASSERT_EQ(call(small_training((dir / "trained").string(), {"--epochs", "1"})).code, 0);
  copy_photos(dir);
  fs::rename(dir / "photos/drawn_rose", dir / "photos/drawn_peony");
}

const std::string kTrain = "train {net} --data {dir}/photos {out}";

const std::vector<BadInput> photos = {
    {"MissingFolder", "train {net} --data {dir}/nowhere {out}", 3, {"'{dir}/nowhere' does not exist", "class folders"}},
    {"EmptyFolder",
     "train {net} --data {dir}/empty {out}",
     3,
     {"'{dir}/empty' holds no class folders with photos", "daisy/1.jpg"},
     [](const fs::path& dir) { fs::create_directories(dir / "empty"); }},
    {"OneClass", "train {net} --data {dir}/one {out}", 3, {"'{dir}/one' holds only one class folder"}, one_class},
    {"PhotosWithoutClassFolders", "train {net} --data {dir}/loose {out}", 3, {"no class folders"}, loose_photos},
    {"PhotoInsteadOfAFolder", "train {net} --data {dir}/loose/a.jpg {out}", 3, {"a.jpg' is neither"}, loose_photos},
    {"BrokenArchive", "train {net} --data {dir}/photos.tgz {out}", 3, {"'{dir}/photos.tgz'"}, broken_archive},
    {"ClassMissingInTheTrainingSlice",
     "train {net} {photos} {out} --split train=train[:1],val=train[1:20],test=train[20:]",
     3,
     {"has no photo in the training slice train[:1]", "widen"}},
    {"TruncatedPhoto", kTrain, 3, {"drawn_daisy", ".jpg' is truncated", "copy it again or remove it"}, cut_photo},
    {"TruncatedPhotoOfAnUncachedTraining", kTrain + " --unfreeze all", 3, {".jpg' is truncated"}, cut_photo},
    {"EmptyPhoto", kTrain, 3, {".jpg' is an empty file, not a photo", "remove it or copy it again"}, empty_photo},
    {"TextAsPhoto",
     kTrain,
     3,
     {".jpg' is no photo: expected a JPEG or PNG file", "convert or remove it"},
     [](const fs::path& dir) { replace_photo(dir, "a text"); }},
    {"PngOf20000Pixels",
     kTrain,
     3,
     {".jpg' has", "more than the 16384 a side", "make it smaller"},
     [](const fs::path& dir) { replace_photo(dir, encode_png(wide_image())); }},
    {"JpegOf20000Pixels",
     kTrain,
     3,
     {".jpg' has", "more than the 16384 a side", "make it smaller"},
     [](const fs::path& dir) { replace_photo(dir, encode_jpeg(wide_image(), 90)); }},
    {"FolderThatIsCalledAsAPhoto",
     "features {net} --out {dir}/x.h5 {dir}/a.jpg",
     3,
     {"'{dir}/a.jpg'"},
     [](const fs::path& dir) { fs::create_directories(dir / "a.jpg"); }},
    {"MissingPhoto", "features {net} --out {dir}/x.h5 {dir}/no.jpg", 3, {"cannot read '{dir}/no.jpg'"}},
    {"EvaluationOfOtherClasses",
     "eval --weights {dir}/trained/last.h5 --data {dir}/photos",
     3,
     {"drawn_peony", "give the photos that it was made for"},
     train_for_other_classes},
    {"PredictionOfNothing", "predict --weights {dir}/trained/last.h5", 2, {"FILES"}, train_for_other_classes},
};

INSTANTIATE_TEST_SUITE_P(Photos, BadInputTest, ::testing::ValuesIn(photos), name_of_row);

/// A small training on {dir}/photos.
Outcome train_on_copy(const TempFolder& folder, const std::vector<std::string>& more) {
  std::vector<std::string> words = small_training(folder.at("run"), {"--epochs", "1"});
  *std::find(words.begin(), words.end(), drawn_photos()) = folder.at("photos");
  words.insert(words.end(), more.begin(), more.end());
  return run_process(words);
}

TEST(Photos, SkipsAndCountsATruncatedPhotoWhereAsked) {
  const TempFolder folder;
  cut_photo(folder.path());
  const Outcome outcome = train_on_copy(folder, {"--bad-images", "skip"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("thaw: skipped drawn_daisy/"));
  const nlohmann::json result = read_json(folder.at("run/result.json"));
  EXPECT_EQ(result.at("skipped").size(), 1U);
  EXPECT_EQ(result.at("photos").get<int>(), 39);
}

// What a file is, its bytes say; cameras and browsers misname photos all the time.
TEST(Photos, TakesAPngThatIsNamedJpg) {
  const TempFolder folder;
  copy_photos(folder.path());
  write(first_photo(folder.path()), encode_png(load_image(first_photo(folder.path()))));
  const Outcome outcome = train_on_copy(folder, {});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(read_json(folder.at("run/result.json")).at("photos").get<int>(), 40);
}

TEST(Photos, LeavesOtherFilesInAClassFolderAlone) {
  const TempFolder folder;
  copy_photos(folder.path());
  write(folder.path() / "photos/drawn_rose/notes.txt", "not a photo");
  write(folder.path() / "photos/drawn_rose/.DS_Store", "not a photo");
  const Outcome outcome = train_on_copy(folder, {});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
}

TEST(Photos, NamesAPhotoThatMayNotBeRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TempFolder folder;
  copy_photos(folder.path());
  fs::permissions(first_photo(folder.path()), fs::perms::none);
  const Outcome outcome = train_on_copy(folder, {});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("check that you may read it"));
}

}  // namespace
}  // namespace thaw::testing
