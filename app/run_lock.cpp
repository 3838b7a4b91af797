#include "app/run_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

/// Whether the locked file still has its name: its holder removes it before letting go.
bool still_named(int fd, const fs::path& path) {
  struct stat locked = {}, named = {};
  return ::fstat(fd, &locked) == 0 && ::stat(path.c_str(), &named) == 0 && locked.st_dev == named.st_dev &&
         locked.st_ino == named.st_ino;
}

/// Tries to lock the file. A record lock, unlike flock(), is not shared with forked children, which may outlive a
/// killed process for a moment.
bool held_by_another(int fd) {
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return ::fcntl(fd, F_SETLK, &whole) != 0 && (errno == EAGAIN || errno == EACCES);
}

[[noreturn]] void fail_held(int fd, const fs::path& folder) {
  std::array<char, 32> text{};
  const ssize_t read = ::pread(fd, text.data(), text.size() - 1, 0);
  ::close(fd);
  std::string holder(text.data(), read > 0 ? static_cast<std::size_t>(read) : 0);
  holder.erase(std::min(holder.find('\n'), holder.size()));
  fail(ErrorKind::failed, "'{}' is in use by another thaw{}; wait until it ends, stop it, or choose another --out",
       folder.string(), holder.empty() ? "" : " (process " + holder + ")");
}

}  // namespace

RunLock::RunLock(const fs::path& folder) : path_(folder / ".lock") {
  for (;;) {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
      fail(ErrorKind::failed, "cannot write '{}': {}; free some space or choose another folder", path_.string(),
           reason_of_failed_write(path_, errno, 0));
    }
    if (held_by_another(fd)) fail_held(fd, folder);
    if (still_named(fd, path_)) {
      fd_ = fd;
      break;
    }
    ::close(fd);
  }
  // The id is a courtesy to whoever is refused; a disk too full for it is reported by the first file that matters.
  const std::string id = fmt::format("{}\n", ::getpid());
  [[maybe_unused]] const bool told =
      ::ftruncate(fd_, 0) == 0 && ::pwrite(fd_, id.data(), id.size(), 0) == static_cast<ssize_t>(id.size());
}

std::optional<int> lock_holder(const fs::path& folder) {
  const int fd = ::open((folder / ".lock").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  const bool held = ::fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
  ::close(fd);
  return held ? std::optional<int>(whole.l_pid) : std::nullopt;
}

RunLock::~RunLock() {
  if (fd_ < 0) return;
  std::error_code ignored;
  fs::remove(path_, ignored);
  ::close(fd_);
}

}  // namespace thaw
