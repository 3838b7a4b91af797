#include "fetch/partial_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail_open(const fs::path& path, int error) {
  fail(ErrorKind::failed, "cannot write '{}': {}; choose another folder with THAW_CACHE", path.string(),
       std::strerror(error));
}

/// Whether `fd` still is the file of this name: whoever held the lock before may have renamed or deleted it.
bool still_named(int fd, const fs::path& path) {
  struct stat open = {}, named = {};
  return ::fstat(fd, &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

}  // namespace

PartialFile::PartialFile(fs::path path) : path_(std::move(path)) {
  std::error_code error;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  if (error) fail_open(path_.parent_path(), error.value());
  for (;;) {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) fail_open(path_, errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd);
      fail(ErrorKind::failed, "another process is downloading '{}' right now; wait for it and start again",
           path_.string());
    }
    if (still_named(fd, path_)) {
      fd_ = fd;
      break;
    }
    ::close(fd);
  }
  size_ = fs::file_size(path_);
}

PartialFile::~PartialFile() {
  if (size_ == 0) remove();
  ::close(fd_);
}

void PartialFile::append(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      fail(ErrorKind::failed,
           "cannot write '{}': {}; free some space or choose another folder with THAW_CACHE, then start again: it goes "
           "on from the {} bytes that are there",
           path_.string(), std::strerror(error), size_);
    }
    size_ += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void PartialFile::clear() {
  if (::ftruncate(fd_, 0) != 0) fail_open(path_, errno);
  size_ = 0;
}

void PartialFile::remove() {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

void PartialFile::rename_to(const fs::path& final_path) { rename_durably(path_, final_path); }

}  // namespace thaw
