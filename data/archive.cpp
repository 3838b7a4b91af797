#include "data/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "kernels/digest.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "kernels/printable.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

struct FreeReader {
  void operator()(::archive* handle) const noexcept { archive_read_free(handle); }
};
struct FreeWriter {
  void operator()(::archive* handle) const noexcept { archive_write_free(handle); }
};

/// A folder that disappears unless it was published under its final name.
class StagedFolder {
 public:
  explicit StagedFolder(const fs::path& final_path)
      : final_(final_path), stage_(fmt::format("{}.{}.stage", final_path.string(), ::getpid())) {
    std::error_code error;
    fs::create_directories(final_.parent_path(), error);
    remove_abandoned();
    if (!error) fs::remove_all(stage_, error);
    if (!error) fs::create_directory(stage_, error);
    // SECURE_SYMLINKS looks at the whole path, and the way to the cache folder may well lead through a link.
    if (!error) stage_ = fs::canonical(stage_, error);
    if (error) {
      fail(ErrorKind::failed, "cannot unpack into '{}': {}; set THAW_CACHE to a folder that you may write",
           stage_.string(), error.message());
    }
  }
  ~StagedFolder() {
    std::error_code ignored;
    fs::remove_all(stage_, ignored);
  }
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  [[nodiscard]] const fs::path& path() const { return stage_; }

  void publish() {
    const int fd = ::open(stage_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
      ::syncfs(fd);  // thousands of small files: one call for all, before the name that promises them
      ::close(fd);
    }
    std::error_code error;
    fs::rename(stage_, final_, error);
    if (error && !fs::is_directory(final_)) {  // another process that published first did the same work
      fail(ErrorKind::failed, "cannot create '{}': {}; set THAW_CACHE to a folder that you may write", final_.string(),
           error.message());
    }
  }

 private:
  /// What a killed process left behind, once it is a day old.
  void remove_abandoned() {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(final_.parent_path(), ignored)) {
      if (entry.path().extension() == ".stage" &&
          fs::file_time_type::clock::now() - entry.last_write_time(ignored) > std::chrono::hours(24))
        fs::remove_all(entry.path(), ignored);
    }
  }

  fs::path final_, stage_;
};

/// Goes through one archive's entries and writes the photos below a folder.
class Unpacker {
 public:
  Unpacker(const fs::path& source, const fs::path& target, const ArchiveLimits& limits)
      : source_(source), target_(target), limits_(limits), source_bytes_(fs::file_size(source)) {
    archive_read_support_filter_gzip(reader_.get());
    archive_read_support_format_tar(reader_.get());
    // Absolute names are refused below; here every name is absolute, because it begins with the stage.
    archive_write_disk_set_options(writer_.get(), ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS);
    check(archive_read_open_filename(reader_.get(), source.c_str(), std::size_t{1} << 16));
  }

  void run() {
    archive_entry* entry = nullptr;
    while (check(archive_read_next_header(reader_.get(), &entry)) != ARCHIVE_EOF) {
      const std::string name = safe_name(entry);
      account(entry, name);
      if (archive_entry_filetype(entry) == AE_IFREG && is_photo_name(name)) write(entry, name);
    }
    if (entries_ == 0) {
      fail(ErrorKind::data, "'{}' holds no files; expected an archive of class folders with photos", source_.string());
    }
  }

 private:
  /// Passes a libarchive status through when it is no error.
  int check(int status) {
    if (status >= ARCHIVE_WARN) return status;  // ok, end of file, or a remark about a name's characters
    const char* reason = archive_error_string(reader_.get());
    fail(ErrorKind::data, "cannot unpack '{}': {}; it is damaged, truncated or no .tgz/.tar archive: fetch it again",
         source_.string(), reason != nullptr ? reason : "unknown error");
  }

  std::string safe_name(archive_entry* entry) {
    const char* raw = archive_entry_pathname(entry);
    if (raw == nullptr) raw = archive_entry_pathname_utf8(entry);
    const fs::path name = raw != nullptr ? raw : "";
    const std::string& bytes = name.native();
    if (std::any_of(bytes.begin(), bytes.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; })) {
      refuse(name.string(), "its name has control characters");
    }
    const bool climbs = std::find(name.begin(), name.end(), "..") != name.end();
    if (name.empty() || name.is_absolute() || climbs) {
      refuse(name.string(), "its name leads out of the archive's folder");
    }
    const auto type = archive_entry_filetype(entry);
    if (archive_entry_hardlink(entry) != nullptr || type == AE_IFLNK) refuse(name.string(), "it is a link");
    if (type != AE_IFREG && type != AE_IFDIR) refuse(name.string(), "it is neither a file nor a folder");
    return name.string();
  }

  [[noreturn]] void refuse(const std::string& name, const char* reason) {
    fail(ErrorKind::data,
         "refused to unpack '{}': entry '{}' is unsafe ({}); unpack it yourself if you trust it, and give the folder",
         source_.string(), printable(name), reason);
  }

  /// Counts what the header promises before anything of it is unpacked.
  void account(archive_entry* entry, const std::string& name) {
    const la_int64_t size = archive_entry_size(entry);
    if (size < 0) refuse(name, "its size is negative");
    unpacked_bytes_ += static_cast<std::uint64_t>(size);
    const auto raw_bytes = static_cast<std::uint64_t>(std::max<la_int64_t>(0, archive_filter_bytes(reader_.get(), 0)));
    const std::uint64_t bytes = std::max(unpacked_bytes_, raw_bytes);
    const bool inflated = bytes > limits_.ratio_free_bytes && bytes / limits_.ratio > source_bytes_;
    if (bytes > limits_.total_bytes || inflated || ++entries_ > limits_.entries) {
      fail(ErrorKind::data,
           "refused to unpack '{}': it would become more than {} bytes, {} times its size or {} files (at entry '{}'); "
           "unpack it yourself if you trust it, and give the folder",
           source_.string(), limits_.total_bytes, limits_.ratio, limits_.entries, printable(name));
    }
  }

  void write(archive_entry* entry, const std::string& name) {
    archive_entry_set_pathname(entry, (target_ / name).c_str());
    archive_entry_set_perm(entry, 0644);
    check_write(archive_write_header(writer_.get(), entry));
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (check(archive_read_data_block(reader_.get(), &block, &size, &offset)) != ARCHIVE_EOF) {
      check_write(static_cast<int>(archive_write_data_block(writer_.get(), block, size, offset)));
    }
    check_write(archive_write_finish_entry(writer_.get()));
  }

  void check_write(int status) {
    if (status >= ARCHIVE_WARN) return;
    const char* reason = archive_error_string(writer_.get());
    fail(ErrorKind::failed, "cannot unpack '{}' into '{}': {}; free some space or set THAW_CACHE to another folder",
         source_.string(), target_.string(), reason != nullptr ? reason : "unknown error");
  }

  fs::path source_, target_;
  ArchiveLimits limits_;
  std::uint64_t source_bytes_, unpacked_bytes_ = 0, entries_ = 0;
  std::unique_ptr<::archive, FreeReader> reader_{archive_read_new()};
  std::unique_ptr<::archive, FreeWriter> writer_{archive_write_disk_new()};
};

}  // namespace

bool is_archive_name(const fs::path& path) {
  const std::string name = lower_case(path.filename().string());
  return name.ends_with(".tgz") || name.ends_with(".tar.gz") || name.ends_with(".tar");
}

bool is_photo_name(const fs::path& path) {
  const std::string name = lower_case(path.filename().string());
  return !name.starts_with('.') && (name.ends_with(".jpg") || name.ends_with(".jpeg") || name.ends_with(".png"));
}

fs::path unpack_archive(const fs::path& archive, const ArchiveLimits& limits) {
  const fs::path folder = cache_folder() / "datasets" / sha256_file(archive).substr(0, 16);
  if (fs::is_directory(folder)) return folder;
  StagedFolder stage(folder);
  Unpacker(archive, stage.path(), limits).run();
  stage.publish();
  return folder;
}

}  // namespace thaw
