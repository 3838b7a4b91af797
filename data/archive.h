#pragma once

#include <cstdint>
#include <filesystem>

namespace thaw {

/// Archives come from strangers too: what would unpack to more than this is refused before it fills the disk.
struct ArchiveLimits {
  std::uint64_t total_bytes = std::uint64_t{8} << 30;
  std::uint64_t ratio = 200;                                 ///< unpacked bytes per byte of the archive ...
  std::uint64_t ratio_free_bytes = std::uint64_t{16} << 20;  ///< ... once they are more than this
  std::uint64_t entries = 1'000'000;
};

/// True for a name that ends in .tgz, .tar.gz or .tar.
bool is_archive_name(const std::filesystem::path& path);

/// Unpacks the photos (.jpg, .jpeg, .png) of a .tgz, .tar.gz or .tar into `cache_folder()/datasets/<hash>`, where
/// `<hash>` is the first 16 digits of the archive's SHA-256, and returns that folder; a second call finds it there.
/// The folder appears whole or not at all. Throws `Error` (data) for a truncated or damaged archive, for links,
/// devices, absolute names and names with "..", and for one beyond `limits`; (failed) where it cannot write.
std::filesystem::path unpack_archive(const std::filesystem::path& archive, const ArchiveLimits& limits = {});

/// True for a name that ends in .jpg, .jpeg or .png, in any case, and does not begin with a dot.
bool is_photo_name(const std::filesystem::path& path);

}  // namespace thaw
