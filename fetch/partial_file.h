#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace thaw {

/// The part of a download that has come so far: it outlives the process, so that another one can go on from its end,
/// and is locked, so that two never write it at once.
class PartialFile {
 public:
  /// Opens or makes the file. Throws `Error` (failed) where it cannot be written or another process holds it.
  explicit PartialFile(std::filesystem::path path);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Throws `Error` (failed) naming the file and the reason; what was written before stays.
  void append(std::span<const char> bytes);
  /// Back to no bytes.
  void clear();
  /// Deletes the file.
  void remove();
  /// Gives the file its final name, durably.
  void rename_to(const std::filesystem::path& final_path);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace thaw
