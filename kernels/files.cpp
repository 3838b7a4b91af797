#include "kernels/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "kernels/error.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail_write(const fs::path& path, int error, std::uintmax_t wanted = 0) {
  fail(ErrorKind::failed, "cannot write '{}': {}; free some space or choose another folder", path.string(),
       reason_of_failed_write(path, error, wanted));
}

/// The name of a file that `AtomicFile` has not finished: NAME.PID.tmp.
/// The number in a name `*.PID.tmp`, as it is written; empty for every other name.
std::string_view writer_in(std::string_view name) {
  constexpr std::string_view ending = ".tmp";
  if (!name.ends_with(ending)) return {};
  name.remove_suffix(ending.size());
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  name.remove_prefix(dot + 1);
  const bool number = std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  return number ? name : std::string_view();
}

bool lives(std::string_view process) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(process.data(), process.data() + process.size(), pid);
  return error == std::errc() && (::kill(pid, 0) == 0 || errno != ESRCH);
}

bool is_locked(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return true;
  const bool locked = ::flock(fd, LOCK_EX | LOCK_NB) != 0;
  ::close(fd);
  return locked;
}

/// Removes the files of `folder` whose names have a writer, where `may_go` says so.
template <class MayGo>
void remove_temporary_files(const fs::path& folder, const MayGo& may_go) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const std::string_view writer = writer_in(name);
    std::error_code ignored;
    if (!writer.empty() && may_go(it->path(), writer)) fs::remove(it->path(), ignored);
  }
}

void sync_path(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) fail_write(path, errno);
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (result != 0 && error != EINVAL) fail_write(path, error);  // EINVAL: a file system without fsync on folders
}

}  // namespace

AtomicFile::AtomicFile(fs::path final_path) : final_(std::move(final_path)) {
  std::error_code error;
  if (final_.has_parent_path()) fs::create_directories(final_.parent_path(), error);
  if (error) fail_write(final_.parent_path(), error.value());
  // A rename would put a file in the place of a device: /dev/null for whoever may do so.
  if (const fs::file_status status = fs::status(final_, error); fs::exists(status) && !fs::is_regular_file(status)) {
    fail(ErrorKind::failed, "cannot write '{}': it is no regular file; choose another name", final_.string());
  }
  temporary_ = final_;
  temporary_ += fmt::format(".{}.tmp", ::getpid());
}

AtomicFile::~AtomicFile() {
  if (!committed_) {
    std::error_code ignored;
    fs::remove(temporary_, ignored);
  }
}

void AtomicFile::commit() {
  rename_durably(temporary_, final_);
  committed_ = true;
}

void rename_durably(const fs::path& from, const fs::path& to) {
  sync_path(from, O_RDONLY);
  if (std::rename(from.c_str(), to.c_str()) != 0) fail_write(to, errno);
  sync_folder(to.parent_path());
}

AtomicWriter::AtomicWriter(fs::path path, std::uintmax_t size)
    : path_(std::move(path)),
      size_(size),
      file_(path_),
      fd_(::open(file_.temporary().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
  if (fd_ < 0) fail_write(path_, errno, size_);
}

AtomicWriter::~AtomicWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void AtomicWriter::write(const void* bytes, std::size_t count) {
  const auto* at = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t n = ::write(fd_, at, count);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;  // fail_write asks the system for more, which moves errno
      fail_write(path_, error, size_);
    }
    at += n;
    count -= static_cast<std::size_t>(n);
  }
}

void AtomicWriter::commit() {
  if (::close(std::exchange(fd_, -1)) != 0) fail_write(path_, errno, size_);
  file_.commit();
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  AtomicWriter file(path, bytes.size());
  file.write(bytes.data(), bytes.size());
  file.commit();
}

void require_writable(const fs::path& path) { const AtomicWriter probe(path, 0); }

void sync_folder(const fs::path& folder) { sync_path(folder.empty() ? fs::path(".") : folder, O_RDONLY | O_DIRECTORY); }

std::string reason_of_failed_write(const fs::path& path, int error, std::uintmax_t wanted) {
  std::string reason = std::strerror(error);
  if (error == EFBIG) {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    return fmt::format("{} ({} bytes are wanted, `ulimit -f` allows {})", reason, wanted, limit.rlim_cur);
  }
  if (error != ENOSPC && error != EDQUOT) return reason;
  std::error_code ignored;
  const fs::space_info space = fs::space(path.has_parent_path() ? path.parent_path() : fs::path("."), ignored);
  return fmt::format("{} ({} bytes are wanted, {} are free)", reason, wanted, ignored ? 0 : space.available);
}

void remove_abandoned_files(const fs::path& folder) {
  remove_temporary_files(folder, [](const fs::path&, std::string_view) { return true; });
}

void remove_files_of_dead_writers(const fs::path& folder) {
  remove_temporary_files(
      folder, [](const fs::path& path, std::string_view writer) { return !lives(writer) && !is_locked(path); });
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || fs::is_directory(path)) {
    fail(ErrorKind::data, "cannot read '{}': {}", path.string(),
         fs::exists(path) ? "it is no readable file" : "there is no such file");
  }
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return std::move(bytes).str();
}

fs::path cache_folder() {
  if (const char* own = std::getenv("THAW_CACHE"); own != nullptr && *own != '\0') return own;
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg != '\0') return fs::path(xdg) / "thaw";
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : "/tmp") / ".cache" / "thaw";
}

}  // namespace thaw
