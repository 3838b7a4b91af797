#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace thaw {

/// A file that appears whole or not at all: it is written under `temporary()`, and `commit()` makes it durable
/// (fsync of file and folder) and renames it to its final name. Without `commit` the temporary file is removed.
class AtomicFile {
 public:
  /// Creates missing parent folders. Throws `Error` (failed) where the folder cannot be made, and where there is
  /// something else than a file under that name.
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

/// Writes a file piece by piece through an `AtomicFile`. Every failure is an `Error` (failed) naming the final path and
/// the reason; where the disk is full it says how many bytes the whole file wants and how many are free.
class AtomicWriter {
 public:
  /// `size` is that of the whole file, for the message.
  AtomicWriter(std::filesystem::path path, std::uintmax_t size);
  ~AtomicWriter();
  AtomicWriter(const AtomicWriter&) = delete;
  AtomicWriter& operator=(const AtomicWriter&) = delete;

  void write(const void* bytes, std::size_t count);
  void commit();

 private:
  std::filesystem::path path_;
  std::uintmax_t size_;
  AtomicFile file_;
  int fd_;
};

/// Writes `bytes` to `path` through an `AtomicFile`. Throws `Error` (failed) naming the path and the reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Throws what writing `path` would throw, before there is something to write. Leaves nothing behind.
void require_writable(const std::filesystem::path& path);

/// The whole file as bytes. Throws `Error` (data) naming the path and the reason.
std::string read_file(const std::filesystem::path& path);

/// Makes the names in a folder durable (fsync). Throws `Error` (failed) naming it.
void sync_folder(const std::filesystem::path& folder);

/// Why writing `path` failed, as the end of a sentence: the system's reason and, where it is for want of room, how many
/// of the `wanted` bytes there is room for. `error` is an errno.
std::string reason_of_failed_write(const std::filesystem::path& path, int error, std::uintmax_t wanted);

/// Removes what writers that were killed left half written in `folder` (not below it): `*.PID.tmp`. Only for a folder
/// that nobody else is writing into.
void remove_abandoned_files(const std::filesystem::path& folder);

/// The same in a folder that several processes write into: leaves what a process of this machine that lives may be
/// writing, and what any process, on a shared disk another machine's too, holds an flock on.
void remove_files_of_dead_writers(const std::filesystem::path& folder);

/// `$THAW_CACHE`, else `$XDG_CACHE_HOME/thaw`, else `~/.cache/thaw`.
std::filesystem::path cache_folder();

}  // namespace thaw
