#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace thaw {

/// A file that appears whole or not at all: it is written under `temporary()`, and `commit()` makes it durable
/// (fsync of file and folder) and renames it to its final name. Without `commit` the temporary file is removed.
class AtomicFile {
 public:
  /// Creates missing parent folders. Throws `Error` (failed) where the folder cannot be made.
  explicit AtomicFile(std::filesystem::path final_path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  [[nodiscard]] const std::filesystem::path& temporary() const { return temporary_; }
  /// Throws `Error` (failed) naming the file and the reason (full disk, no permission).
  void commit();

 private:
  std::filesystem::path final_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

/// Gives a finished file its final name in the same folder, durably: fsync of file and folder. Throws `Error` (failed).
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

/// Writes `bytes` to `path` through an `AtomicFile`. Throws `Error` (failed) naming the path and the reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// The whole file as bytes. Throws `Error` (data) naming the path and the reason.
std::string read_file(const std::filesystem::path& path);

/// `$THAW_CACHE`, else `$XDG_CACHE_HOME/thaw`, else `~/.cache/thaw`.
std::filesystem::path cache_folder();

}  // namespace thaw
