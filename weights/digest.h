#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace thaw {

/// SHA-256 of `bytes` as 64 lower-case hex digits.
std::string sha256(std::span<const std::uint8_t> bytes);

/// SHA-256 of a file's content as 64 lower-case hex digits. Throws `Error` (data) where the file cannot be read.
std::string sha256_file(const std::filesystem::path& path);

/// MD5 of a file's content as 32 lower-case hex digits: the digest by which Keras pins its weight files, good to
/// recognise a file and not to prove its origin. Throws `Error` (data) where the file cannot be read.
std::string md5_file(const std::filesystem::path& path);

}  // namespace thaw
