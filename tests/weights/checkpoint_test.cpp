#include "weights/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;

class CheckpointFile : public testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("thaw_checkpoint_" + std::to_string(::getpid()));
    path = folder / "checkpoint.thaw";
  }
  void TearDown() override { fs::remove_all(folder); }

  static Checkpoint sample(float value) {
    return {.text = R"({"step": 3})", .arrays = {{"conv/kernel", {value, 2.5F}}, {"conv/kernel.m", {}}}};
  }

  fs::path folder;
  fs::path path;
};

TEST_F(CheckpointFile, ComesBackWithTheSameBits) {
  write_checkpoint(path, sample(0.1F));
  const Checkpoint back = read_checkpoint(path);
  EXPECT_EQ(back.text, sample(0.1F).text);
  EXPECT_EQ(back.arrays, sample(0.1F).arrays);
}

TEST_F(CheckpointFile, FallsBackToTheOneBeforeAndSaysSo) {
  write_checkpoint(path, sample(1.0F));
  write_checkpoint(path, sample(2.0F));
  std::string bytes = read_file(path);
  bytes[bytes.size() / 2] ^= 1;
  write_file_atomically(path, bytes);
  std::string note;
  EXPECT_EQ(read_checkpoint(path, &note).arrays, sample(1.0F).arrays);
  EXPECT_NE(note.find("checksum"), std::string::npos) << note;
  EXPECT_NE(note.find("the one before"), std::string::npos) << note;
}

TEST_F(CheckpointFile, IsFoundUnderItsThirdNameWhereAWriterWasKilledBeforeTheLastRename) {
  write_checkpoint(path, sample(1.0F));
  write_checkpoint(path, sample(2.0F));
  fs::rename(path, fs::path(path) += ".new");
  std::string note;
  EXPECT_EQ(read_checkpoint(path, &note).arrays, sample(2.0F).arrays);
  EXPECT_NE(note.find("about to replace"), std::string::npos) << note;
}

TEST_F(CheckpointFile, ReplacesOneThatAKilledWriterHadGivenBothNames) {
  write_checkpoint(path, sample(1.0F));
  fs::create_hard_link(path, fs::path(path) += ".previous");
  write_checkpoint(path, sample(2.0F));
  EXPECT_EQ(read_checkpoint(path).arrays, sample(2.0F).arrays);
  EXPECT_EQ(read_checkpoint(fs::path(path) += ".previous").arrays, sample(1.0F).arrays);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 2);
}

TEST_F(CheckpointFile, EveryTruncationIsRefused) {
  write_checkpoint(path, sample(1.0F));
  const std::string bytes = read_file(path);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    write_file_atomically(path, std::string_view(bytes).substr(0, size));
    EXPECT_THROW(static_cast<void>(read_checkpoint(path)), Error) << size << " of " << bytes.size() << " bytes";
  }
}

TEST_F(CheckpointFile, AMissingFileIsNamed) {
  try {
    static_cast<void>(read_checkpoint(path));
    FAIL() << "read nothing";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::data);
    EXPECT_NE(std::string(e.what()).find(path.string()), std::string::npos) << e.what();
  }
}

TEST_F(CheckpointFile, AnUnwritableFolderIsNamed) {
  try {
    write_checkpoint("/proc/thaw/checkpoint.thaw", sample(1.0F));
    FAIL() << "wrote into /proc";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::failed);
    EXPECT_NE(std::string(e.what()).find("/proc/thaw"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace thaw
