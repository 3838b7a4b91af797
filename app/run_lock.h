#pragma once

#include <filesystem>
#include <optional>

namespace thaw {

/// Keeps a folder to one process while alive: a locked file `.lock` in it with the process' id. The system gives the
/// lock up when the process ends, however it ends, so that none is ever left behind; on a file system without locks
/// there is none.
class RunLock {
 public:
  /// Throws `Error` (failed): where another process holds the folder, naming it, or where the file cannot be made.
  explicit RunLock(const std::filesystem::path& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

/// The process that holds a folder now; none where nobody does.
std::optional<int> lock_holder(const std::filesystem::path& folder);

}  // namespace thaw
