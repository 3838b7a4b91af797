#include "tests/app/process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>
#include <thread>

#include <sys/ptrace.h>  // behind the others: its names are macros elsewhere

namespace thaw::testing {

namespace {

constexpr const char* kThaw = THAW_BINARY;

std::string content_of(int fd) {
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t n = 0; (n = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(text.size()))) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(n));
  }
  return text;
}

/// The environment with waiting threads that sleep, whoever runs the tests.
std::vector<std::string> environment() {
  std::vector<std::string> all = {"OMP_WAIT_POLICY=passive"};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!text.starts_with("OMP_WAIT_POLICY=")) all.push_back(text);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// What the child does between fork and exec: only calls that are safe there.
[[noreturn]] void become_thaw(const ProcessOptions& options, char* const* argv, char* const* env, int out, int err) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXFSZ, SIGPIPE}) ::signal(number, SIG_DFL);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  if (options.file_limit) {
    const rlimit limit{.rlim_cur = *options.file_limit, .rlim_max = RLIM_INFINITY};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(99);
  }
  if (options.traced && ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(98);
  ::execve(kThaw, argv, env);
  ::_exit(97);
}

/// Whether the call that a traced process is about to make touches files.
bool touches_files(const __ptrace_syscall_info& info) {
  static const std::vector<long> numbers = {
#ifdef SYS_rename
      SYS_rename, SYS_link,     SYS_unlink,
#endif
      SYS_write,  SYS_pwrite64, SYS_fsync,  SYS_renameat, SYS_renameat2, SYS_linkat, SYS_unlinkat, SYS_ftruncate};
  const auto number = static_cast<long>(info.entry.nr);
  if (number == SYS_openat) return (info.entry.args[2] & O_CREAT) != 0;
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

}  // namespace

Process::Process(const std::vector<std::string>& words, const ProcessOptions& options)
    : out_(::memfd_create("out", MFD_CLOEXEC)), err_(::memfd_create("err", MFD_CLOEXEC)) {
  std::vector<std::string> arguments = words, variables = environment();
  arguments.insert(arguments.begin(), kThaw);
  const std::vector<char*> argv = pointers_to(arguments), env = pointers_to(variables);
  pid_ = ::fork();
  if (pid_ < 0 || out_ < 0 || err_ < 0) throw std::runtime_error("cannot start a process");
  if (pid_ == 0) become_thaw(options, argv.data(), env.data(), out_, err_);
}

Process::~Process() {
  if (running()) {
    signal(SIGKILL);
    wait();
  }
  ::close(out_);
  ::close(err_);
}

bool Process::running() {
  if (status_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return !status_;
}

void Process::signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

int Process::wait() {
  if (!status_) {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    status_ = status;
  }
  return WIFEXITED(*status_) ? WEXITSTATUS(*status_) : 128 + WTERMSIG(*status_);
}

bool Process::killed() const { return status_ && WIFSIGNALED(*status_); }
std::string Process::out() const { return content_of(out_); }
std::string Process::err() const { return content_of(err_); }

bool Process::wait_until(const std::function<bool()>& holds) {
  for (int i = 0; i < 60'000; ++i) {
    if (holds()) return true;
    if (!running()) return holds();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

Outcome run_process(const std::vector<std::string>& words, const ProcessOptions& options) {
  Process process(words, options);
  const int code = process.wait();
  return {code, process.out(), process.err()};
}

Traced killed_at_call(const std::vector<std::string>& words, int number) {
  Process process(words, {.traced = true});
  Traced traced;
  int status = 0;
  ::waitpid(process.pid(), &status, 0);
  if (!WIFSTOPPED(status)) {
    traced.possible = false;
    return traced;
  }
  ::ptrace(PTRACE_SETOPTIONS, process.pid(), nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  constexpr int call_stop = SIGTRAP | 0x80;
  for (int deliver = 0;;) {
    if (::ptrace(PTRACE_SYSCALL, process.pid(), nullptr, deliver) != 0) break;
    if (::waitpid(process.pid(), &status, 0) < 0 || !WIFSTOPPED(status)) break;
    deliver = WSTOPSIG(status) == call_stop || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    if (WSTOPSIG(status) != call_stop) continue;
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, process.pid(), sizeof(info), &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !touches_files(info)) continue;
    if (++traced.calls != number) continue;
    process.signal(SIGKILL);
    ::waitpid(process.pid(), &status, 0);
    break;
  }
  traced.killed = WIFSIGNALED(status);
  return traced;
}

}  // namespace thaw::testing
