#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"
#include "kernels/error.h"

namespace thaw {

/// A folder of its own for each test, gone afterwards.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "thaw_test_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Sends the cache folder elsewhere for the life of the object.
class OwnCache {
 public:
  OwnCache() {
    if (const char* old = std::getenv("THAW_CACHE")) old_ = old;
    ::setenv("THAW_CACHE", folder_.path().c_str(), 1);
  }
  ~OwnCache() { old_.empty() ? ::unsetenv("THAW_CACHE") : ::setenv("THAW_CACHE", old_.c_str(), 1); }
  OwnCache(const OwnCache&) = delete;
  OwnCache& operator=(const OwnCache&) = delete;
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TempFolder folder_;
  std::string old_;
};

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// A smooth picture with some structure, different for each `tone`.
inline Image test_image(int width, int height, int tone = 0) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c)
        image.rgb.push_back(static_cast<std::uint8_t>((x * 5 + y * 3 + c * 40 + tone * 29) % 256));
    }
  }
  return image;
}

inline std::string jpeg_of(int width, int height, int tone = 0) {
  return encode_jpeg(test_image(width, height, tone), 90);
}

/// Two classes, a and b, with `per_class` photos each.
inline void write_two_classes(const std::filesystem::path& root, int per_class = 3) {
  for (int i = 0; i < per_class; ++i) {
    const std::string name = std::to_string(i) + ".jpg";
    write_bytes(root / "a" / name, jpeg_of(20 + i, 16, i));
    write_bytes(root / "b" / name, jpeg_of(16, 20 + i, 100 + i));
  }
}

/// Runs `work` and returns its error's sentence; a missing error or another kind fails the test.
inline std::string error_of(ErrorKind kind, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

/// One entry of an archive made by a test.
struct TarEntry {
  std::string name, bytes = {};
  unsigned type = AE_IFREG;
  std::string link = {};
  bool hard = false;
};

inline void write_archive(const std::filesystem::path& path, const std::vector<TarEntry>& entries) {
  archive* out = archive_write_new();
  if (path.extension() != ".tar") archive_write_add_filter_gzip(out);
  archive_write_set_format_pax_restricted(out);
  ASSERT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  for (const TarEntry& item : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.name.c_str());
    archive_entry_set_filetype(entry, item.type);
    archive_entry_set_perm(entry, 0755);
    archive_entry_set_size(entry, static_cast<la_int64_t>(item.bytes.size()));
    if (item.hard) archive_entry_set_hardlink(entry, item.link.c_str());
    if (item.type == AE_IFLNK) archive_entry_set_symlink(entry, item.link.c_str());
    ASSERT_EQ(archive_write_header(out, entry), ARCHIVE_OK) << item.name;
    archive_write_data(out, item.bytes.data(), item.bytes.size());
    archive_entry_free(entry);
  }
  archive_write_free(out);
}

/// The real photos' archive, or an empty path where there is none.
inline std::filesystem::path real_flowers() {
  const char* assets = std::getenv("THAW_ASSETS");
  const std::filesystem::path path = std::filesystem::path(assets != nullptr ? assets : "") / "flower_photos.tgz";
  return assets != nullptr && std::filesystem::exists(path) ? path : std::filesystem::path();
}

}  // namespace thaw
