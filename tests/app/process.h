#pragma once

#include <sys/resource.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/app/support.h"

namespace thaw::testing {

struct ProcessOptions {
  std::optional<rlim_t> file_limit = {};  ///< bytes that a file may have; can be changed while the process runs
  bool traced = false;                    ///< stops at every system call of its first thread; see `killed_at_call`
};

/// The real command `thaw WORDS...` as a process of its own. One that still runs is killed with the object.
class Process {
 public:
  explicit Process(const std::vector<std::string>& words, const ProcessOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] bool running();
  void signal(int number) const;
  /// The exit code, or 128 + the signal that ended it, as a shell tells it.
  int wait();
  [[nodiscard]] bool killed() const;  ///< ended by a signal that it did not handle
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;
  [[nodiscard]] int pid() const { return pid_; }

  /// Waits until `holds`, at most a minute; false where the process ended first.
  bool wait_until(const std::function<bool()>& holds);

 private:
  int pid_ = -1;
  int out_ = -1, err_ = -1;  // files in memory
  std::optional<int> status_;
};

/// Runs the real command to its end.
Outcome run_process(const std::vector<std::string>& words, const ProcessOptions& options = {});

/// What a traced process has done by its end.
struct Traced {
  bool possible = true;  ///< false where this system allows no tracing
  int calls = 0;         ///< that write, name or remove files
  bool killed = false;
};

/// Runs the real command and kills it right before its `number`-th call that writes, names or removes a file (counted
/// from 1); 0 lets it run.
Traced killed_at_call(const std::vector<std::string>& words, int number);

}  // namespace thaw::testing
