#include "weights/rehearsal.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>

#include "kernels/error.h"
#include "weights/h5_handle.h"

namespace thaw {
namespace {

/// One second for each 20 MB, which is far more than reading takes.
rlim_t seconds_for_size(const std::filesystem::path& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : bytes / 20'000'000;
}

[[noreturn]] void run_child(rlim_t seconds, const std::function<void()>& read) {
  const rlimit cpu{seconds, seconds + 1};
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CPU, &cpu);
  ::setrlimit(RLIMIT_CORE, &no_core);
  // A crash may speak (allocator, sanitizer), and only the parent reports it.
  if (const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC); null >= 0) {
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
  }
  try {
    read();
  } catch (const std::exception&) {
    ::_exit(0);  // the parent meets the same error and can throw it
  }
  ::_exit(0);
}

}  // namespace

void rehearse(const std::filesystem::path& path, const std::function<void()>& read, unsigned cpu_seconds) {
  const h5::LibraryLock lock;
  const rlim_t seconds = cpu_seconds + seconds_for_size(path);
  const pid_t child = ::fork();
  if (child < 0) {
    fail(ErrorKind::failed, "cannot start a process to check '{}' in: {}; stop other programs and try again",
         path.string(), std::strerror(errno));
  }
  if (child == 0) run_child(seconds, read);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail(ErrorKind::failed, "cannot wait for the check of '{}'", path.string());
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  fail(ErrorKind::data,
       "reading '{}' makes the HDF5 library {}: the file is damaged, or made to do harm; download it again",
       path.string(),
       WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU
           ? std::string("run without end")
           : fmt::format("crash ({})", WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "it was ended"));
}

}  // namespace thaw
