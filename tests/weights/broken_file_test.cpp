// Files that are no weight files, or damaged ones, and the child process that opens a file first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "kernels/error.h"
#include "tests/weights/fixtures.h"
#include "weights/rehearsal.h"
#include "weights/thaw_h5.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using testing::data_error;
using ::testing::HasSubstr;
using testing::StringForm;
using testing::TempFolder;
using testing::tiny_layers;
using testing::tiny_spec;

std::string reading_bytes(const std::string& bytes) {
  const TempFolder folder;
  testing::put_bytes(folder / "w.h5", bytes);
  return data_error([&] { (void)read_weights(folder / "w.h5", tiny_spec()); });
}

TEST(BrokenFile, OfTextSaysHowItStarts) {
  EXPECT_THAT(reading_bytes("hello, I am text\n"),
              AllOf(HasSubstr("not an HDF5 file"), HasSubstr("'hello, I am text")));
}

TEST(BrokenFile, StartingWithTerminalCodesShowsThemEscaped) {
  EXPECT_THAT(reading_bytes("\x1b[2Jboo"), AllOf(HasSubstr("\\x1b[2Jboo"), ::testing::Not(HasSubstr("\x1b"))));
}

TEST(BrokenFile, ThatIsEmptySaysSo) { EXPECT_THAT(reading_bytes(""), HasSubstr("is empty")); }

TEST(BrokenFile, ThatIsNotThereSaysSo) {
  const TempFolder folder;
  EXPECT_THAT(data_error([&] { (void)read_weights(folder / "none.h5", tiny_spec()); }), HasSubstr("no such file"));
}

TEST(BrokenFile, ThatIsAFolderSaysSo) {
  const TempFolder folder;
  EXPECT_THAT(data_error([&] { (void)read_weights(folder / "", tiny_spec()); }), HasSubstr("is a folder"));
}

TEST(BrokenFile, TruncatedAnywhereIsRefused) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "whole.h5", tiny_layers());
  const std::string bytes = testing::bytes_of(folder / "whole.h5");
  for (const std::size_t size : {std::size_t{8}, std::size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    EXPECT_THAT(reading_bytes(bytes.substr(0, size)), HasSubstr("truncated or damaged")) << size << " bytes";
  }
}

TEST(BrokenFile, WithDamagedMetadataNeverEscapesAsAnotherException) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "whole.h5", tiny_layers());
  const std::string bytes = testing::bytes_of(folder / "whole.h5");
  std::size_t refused = 0;
  for (std::size_t i = 8; i + 8 < bytes.size(); i += bytes.size() / 48) {
    std::string damaged = bytes;
    damaged.replace(i, 4, "\xff\xff\xff\xff");
    if (!reading_bytes(damaged).empty()) ++refused;
  }
  EXPECT_GT(refused, 3U);
}

TEST(BrokenFile, WithABadIndexIntoItsStringHeapIsRefused) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", tiny_layers(), StringForm::variable);
  std::string bytes = testing::bytes_of(folder / "w.h5");
  const std::size_t heap = bytes.find("GCOL");
  ASSERT_NE(heap, std::string::npos);
  bytes.replace(heap + 16, 2, "\xff\x3f");  // the first object's number: nothing is left where the names point to
  EXPECT_NE(reading_bytes(bytes), "");      // HDF5 1.10.8 crashes on it, later ones see the error
}

TEST(Rehearsal, TurnsACrashIntoAnErrorThatNamesTheFile) {
  EXPECT_THAT(data_error([] { rehearse("evil.h5", [] { std::abort(); }); }),
              AllOf(HasSubstr("evil.h5"), HasSubstr("crash")));
}

TEST(Rehearsal, EndsWhatRunsWithoutEnd) {
  const auto forever = [] {
    for (volatile unsigned i = 0;;) i = i + 1;
  };
  EXPECT_THAT(data_error([&] { rehearse("evil.h5", forever, 1); }), HasSubstr("without end"));
}

TEST(Rehearsal, LeavesOrdinaryErrorsToTheRealReading) {
  EXPECT_EQ(data_error([] { rehearse("w.h5", [] { throw Error(ErrorKind::data, "unseen"); }); }), "");
}

}  // namespace
}  // namespace thaw
